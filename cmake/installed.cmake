# What `cmake --install` says at its end, where neither pkg-config nor the loader finds the library by
# itself, as in any prefix that is not the system's. `lib` is where it was installed.
file(REAL_PATH "${lib}" lib)
set(lines "")
execute_process(COMMAND pkg-config --variable=libdir alexnet
    OUTPUT_VARIABLE found ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
if(found)
    file(REAL_PATH "${found}" found)
endif()
if(NOT found STREQUAL lib)
    string(APPEND lines
        "\n  export PKG_CONFIG_PATH=${lib}/pkgconfig\${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}")
endif()
find_program(ldconfig ldconfig PATHS /sbin /usr/sbin)
execute_process(COMMAND ${ldconfig} -p OUTPUT_VARIABLE known ERROR_QUIET)
string(FIND "${known}" " => ${lib}/libalexnet.so" cached)
string(FIND ":$ENV{LD_LIBRARY_PATH}:" ":${lib}:" named)
if(cached EQUAL -1 AND named EQUAL -1)
    string(APPEND lines
        "\n  export LD_LIBRARY_PATH=${lib}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}")
endif()
if(lines)
    message(STATUS "To build and run programs that embed the library, set:${lines}")
endif()
