# The front door. Everything behind it is a script in tools/, so each step can also be run by hand.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup build run demo test format lint fuzz bench clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## set up, build, start the server and the agent of this machine; Ctrl-C stops both
	@tools/run

test: ## set up, build, run every test; the last line is "N passed, N failed"
	@tools/test

build: ## set up and build build/release/bongsu and build/release/bongsu-agent
	@tools/build release bongsu bongsu-agent

demo: ## the server plus a small instrumented shop with traffic; Ctrl-C stops everything
	@tools/demo

setup: ## install what is missing to build and to test
	@tools/setup build test

format: ## format all C files in place
	@tools/check_format --fix

lint: ## format check, layers, banned words, sizes, docs, clang-tidy
	@tools/test gates tidy

fuzz: ## build the fuzz targets and run each for 60 s (SECONDS_EACH=n changes that)
	@tools/fuzz

bench: ## what spans and logs cost to take in, on this machine; BESIDE=logs, traces or metrics: beside peers
	@tools/bench $(BESIDE)

clean: ## remove everything that was built (data/ stays)
	@rm -rf build web/dist
