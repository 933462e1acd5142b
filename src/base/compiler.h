/* SPDX-License-Identifier: Apache-2.0
 *
 * Every compiler extension the project uses, in one place, so that the rest is plain C17.
 */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

#include <stddef.h>

/** The result of a fallible function must be looked at; ignore_result() is the named way out. */
#define NODISCARD __attribute__((warn_unused_result))
/** printf-style checking: `fmt` and `args` are 1-based parameter positions. */
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
/** Run `fn(&variable)` when the variable leaves scope. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define UNUSED      __attribute__((unused))
#define NORETURN    __attribute__((noreturn))
/** Also needed where a function only prefetches: gcc takes it for pure and drops the call. */
#define ALWAYS_INLINE inline __attribute__((always_inline))
/** Ask for the cache line of an address soon to be read, or written with PREFETCH_WRITE. Never faults. */
#define PREFETCH(p)       __builtin_prefetch(p)
#define PREFETCH_WRITE(p) __builtin_prefetch((p), 1)
/** For loops over columns: also compiled for AVX2 and chosen when the program is loaded. gcc only: the clang
 * builds are the sanitized ones, whose runtimes start after such choices are made. */
#if defined(__x86_64__) && !defined(__clang__)
#    define VECTORISED __attribute__((target_clones("avx2", "default")))
#else
#    define VECTORISED
#endif
#define LIKELY(x)    __builtin_expect(!!(x), 1)
#define UNLIKELY(x)  __builtin_expect(!!(x), 0)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
/** Cache line size the hot structures are padded to. */
#define CACHE_LINE 64

/** Say in the code why a NODISCARD result does not matter here. */
#define ignore_result(expr, why)                                               \
    do {                                                                       \
        _Static_assert(sizeof(why) > 4, "say why the result does not matter"); \
        __typeof__(expr) ignored_ UNUSED = (expr);                             \
    } while (0)

/** Move a pointer out of an owning variable, leaving NULL behind (for CLEANUP locals). */
#define steal(ptr)                       \
    __extension__({                      \
        __typeof__(ptr) stolen_ = (ptr); \
        (ptr) = NULL;                    \
        stolen_;                         \
    })

#endif
