# Compiler flags shared by every target: C17 with GNU extensions reached through base/compiler.h,
# all warnings as errors, hardening, and the sanitizer chosen by the preset.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
find_program(CCACHE ccache)
if(CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()

add_compile_definitions(_GNU_SOURCE)
add_compile_options(
    -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wundef
    -Wimplicit-fallthrough -Werror -fstack-protector-strong -fvisibility=hidden
    -fno-omit-frame-pointer -g
    # no path of the building machine in the binary
    -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
if(BONGSU_SANITIZE)
    add_compile_options(-fsanitize=${BONGSU_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${BONGSU_SANITIZE})
endif()
if(BONGSU_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Debian's libraries; every one is named with its reason in docs/adr/0002-dependencies.md.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
foreach(lib libmicrohttpd libnghttp2 libuv libcurl gnutls jansson yaml-0.1 libzstd zlib
        liblz4 libxxhash libpcre2-8 sqlite3 libargon2 libsystemd cmocka)
    string(MAKE_C_IDENTIFIER ${lib} id)
    pkg_check_modules(${id} REQUIRED IMPORTED_TARGET GLOBAL ${lib})
endforeach()
# Two without a usable pkg-config file in Debian 12.
foreach(lib snappy roaring)
    find_library(${lib}_LIBRARY ${lib} REQUIRED)
    add_library(dep_${lib} INTERFACE)
    target_link_libraries(dep_${lib} INTERFACE ${${lib}_LIBRARY})
endforeach()
