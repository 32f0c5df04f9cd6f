# What a build can choose. A consumer (add_subdirectory, FetchContent) gets the library alone and no warnings flags.

string(COMPARE EQUAL "${CMAKE_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}" ramie_is_top)

option(RAMIE_BUILD_APPS "Build the ramie command" ${ramie_is_top})
option(RAMIE_BUILD_TESTS "Build the tests" OFF)
option(RAMIE_BUILD_BENCHMARKS "Build the peers' programs for make bench" OFF)
option(RAMIE_BUILD_EXAMPLES "Build the examples" OFF)
option(RAMIE_WERROR "Warnings are errors" OFF)
option(BUILD_SHARED_LIBS "Build shared libraries" OFF)
set(RAMIE_SWITCH "native" CACHE STRING "How stacks are changed: native (assembly) or ucontext (portable twin)")
set_property(CACHE RAMIE_SWITCH PROPERTY STRINGS native ucontext)
option(RAMIE_STACK_CLASH_PROTECTION "Code that links ramie touches its frames page by page, so that none jumps a guard" ON)
set(RAMIE_SANITIZE "" CACHE STRING "Sanitizers for everything built here, as -fsanitize= takes them")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(RAMIE_CCACHE ccache)
if(RAMIE_CCACHE AND ramie_is_top)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${RAMIE_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${RAMIE_CCACHE})
endif()

# The portable twin changes what the installed headers inline, so consumers must see the choice too.
set(RAMIE_PUBLIC_DEFINITIONS "")
if(RAMIE_SWITCH STREQUAL "ucontext")
  set(RAMIE_PUBLIC_DEFINITIONS RAMIE_SWITCH_UCONTEXT=1)
endif()

# A frame larger than the guard could be entered beyond it. With this flag the compiler touches each page of a large
# frame on the way down; frames below a page are compiled as before. Whoever links ramie::fiber gets it.
add_library(ramie_stack_clash_protection INTERFACE)
add_library(ramie::stack_clash_protection ALIAS ramie_stack_clash_protection)
set_target_properties(ramie_stack_clash_protection PROPERTIES EXPORT_NAME stack_clash_protection)
if(RAMIE_STACK_CLASH_PROTECTION AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  target_compile_options(ramie_stack_clash_protection
                         INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,GNU,Clang>:-fstack-clash-protection>
                                   $<$<COMPILE_LANG_AND_ID:C,GNU,Clang>:-fstack-clash-protection>)
elseif(RAMIE_STACK_CLASH_PROTECTION AND CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
  # There g++ counts on guards of 64 KiB unless it is told that one is a page (2^12 bytes); clang 14 cannot do it at all.
  target_compile_options(ramie_stack_clash_protection
                         INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fstack-clash-protection>
                                   $<$<COMPILE_LANG_AND_ID:CXX,GNU>:--param=stack-clash-protection-guard-size=12>
                                   $<$<COMPILE_LANG_AND_ID:C,GNU>:-fstack-clash-protection>
                                   $<$<COMPILE_LANG_AND_ID:C,GNU>:--param=stack-clash-protection-guard-size=12>)
endif()

# Flags for our own files only, never exported.
add_library(ramie_flags INTERFACE)
target_compile_options(ramie_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                                             -fno-omit-frame-pointer
                                             $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast>
                                             $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>)
# g++ 12 takes `"text" + std::string` for an overlapping copy (its bug 105651).
target_compile_options(ramie_flags INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>)
target_compile_definitions(ramie_flags INTERFACE _GNU_SOURCE ${RAMIE_PUBLIC_DEFINITIONS})
target_link_libraries(ramie_flags INTERFACE ramie_stack_clash_protection)
if(RAMIE_WERROR)
  target_compile_options(ramie_flags INTERFACE -Werror)
endif()
if(RAMIE_SANITIZE)
  add_compile_options(-fsanitize=${RAMIE_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${RAMIE_SANITIZE})
  if(RAMIE_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
