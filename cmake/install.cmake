# What `cmake --install` lays down: headers, libraries, the command, and the package that find_package(ramie) finds.
set(ramie_targets ramie_fiber ramie_stack_clash_protection)
foreach(library IN ITEMS heap)
  if(TARGET ramie_${library})
    list(APPEND ramie_targets ramie_${library})
  endif()
endforeach()
install(TARGETS ${ramie_targets} EXPORT ramie-targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/ramie DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET ramie)
  install(TARGETS ramie RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES docs/man/ramie.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES packaging/completion/ramie.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
          RENAME ramie)
endif()
if(TARGET ramie-doctor)
  install(TARGETS ramie-doctor RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES docs/man/ramie-doctor.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
install(FILES scripts/gdb/ramie-gdb.py DESTINATION ${CMAKE_INSTALL_DATADIR}/ramie)
install(EXPORT ramie-targets NAMESPACE ramie:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ramie)
configure_package_config_file(cmake/ramie-config.cmake.in ${PROJECT_BINARY_DIR}/ramie-config.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ramie)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ramie-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ramie-config.cmake ${PROJECT_BINARY_DIR}/ramie-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ramie)

# For builds without CMake: pkg-config --cflags --libs ramie-fiber.
# The prefix is found from where the file lies, so that `cmake --install --prefix` and moved trees work.
file(RELATIVE_PATH ramie_pc_up /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" ramie_pc_up "${ramie_pc_up}")
cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_INCLUDEDIR BASE_DIRECTORY "\${prefix}" OUTPUT_VARIABLE ramie_pc_includedir)
cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_LIBDIR BASE_DIRECTORY "\${prefix}" OUTPUT_VARIABLE ramie_pc_libdir)
set(ramie_pc_flags "")
foreach(definition IN LISTS RAMIE_PUBLIC_DEFINITIONS)
  string(APPEND ramie_pc_flags " -D${definition}")
endforeach()
if(RAMIE_STACK_CLASH_PROTECTION AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  string(APPEND ramie_pc_flags " -fstack-clash-protection")
endif()
# The static library needs the C++ runtime named when a C linker links it; the shared one brings it.
set(ramie_pc_private "")
if(NOT BUILD_SHARED_LIBS)
  set(ramie_pc_private " -lstdc++")
endif()
configure_file(cmake/ramie-fiber.pc.in ${PROJECT_BINARY_DIR}/ramie-fiber.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/ramie-fiber.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
