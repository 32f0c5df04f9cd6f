# Tests on the kernel of stock Debian 12 (6.1): static programs, booted by tests/guest/run. Labels: guest.
#
# ramie_guest_program(name SOURCES ... [ROOMS ...] [LIBRARIES ...])
#     A static test program with GoogleTest's main; ROOMS links the objects of these rooms and of what they may include.
#     Write it so that it also passes, or skips, where it is started by hand on another kernel; RAMIE_GUEST is set inside.
# ramie_guest_test(name [MEMORY_MB n] [TIMEOUT seconds] BINARIES target[:argument,argument] ...)
#     One boot (4 s) that runs these programs in order. Put what needs no memory of its own into one boot with others.
#
# Sanitizers cannot be linked statically, and the guest is of this machine's processor: under RAMIE_SANITIZE and when
# cross-compiling both define nothing.

include(CheckLinkerFlag)
check_linker_flag(CXX LINKER:--no-warnings RAMIE_LINKER_KNOWS_NO_WARNINGS)
set(RAMIE_GUEST_RUN ${CMAKE_CURRENT_LIST_DIR}/run)

function(ramie_guest_program name)
  if(RAMIE_SANITIZE OR CMAKE_CROSSCOMPILING)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;ROOMS;LIBRARIES" ${ARGN})
  ramie_objects(objects ${arg_ROOMS})
  add_executable(${name} ${arg_SOURCES} ${objects})
  target_link_libraries(${name} PRIVATE ramie_flags GTest::gtest GTest::gtest_main ${arg_LIBRARIES})
  # Not -static: there g++ 12's start code registers the program's frames, and then every unwinding takes a lock of
  # libgcc that no fork takes. The linker leaves the search table for unwinding out unless it is told.
  target_link_options(${name} PRIVATE -static-pie LINKER:--eh-frame-hdr)
  target_compile_options(${name} PRIVATE -fPIE)
  if(RAMIE_LINKER_KNOWS_NO_WARNINGS)  # GoogleTest names getaddrinfo, which is not used here
    target_link_options(${name} PRIVATE LINKER:--no-warnings)
  endif()
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests
                                             ${PROJECT_SOURCE_DIR}/include)
  target_compile_features(${name} PRIVATE cxx_std_20)
endfunction()

function(ramie_guest_test name)
  if(RAMIE_SANITIZE OR CMAKE_CROSSCOMPILING)
    return()
  endif()
  cmake_parse_arguments(arg "" "MEMORY_MB;TIMEOUT" "BINARIES" ${ARGN})
  if(NOT arg_MEMORY_MB)
    set(arg_MEMORY_MB 2048)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  math(EXPR guest_timeout "${arg_TIMEOUT} - 20")
  set(programs "")
  foreach(binary IN LISTS arg_BINARIES)
    string(REGEX REPLACE "^([^:]+)" "$<TARGET_FILE:\\1>" binary "${binary}")
    list(APPEND programs "${binary}")
  endforeach()
  add_test(NAME ${name} COMMAND ${RAMIE_GUEST_RUN} -m ${arg_MEMORY_MB} --timeout ${guest_timeout} ${programs})
  set_tests_properties(${name} PROPERTIES LABELS guest TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77
                       ENVIRONMENT RAMIE_GUEST_CACHE=${PROJECT_SOURCE_DIR}/build/guest)
endfunction()
