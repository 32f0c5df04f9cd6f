# What `cmake --install` lays down: headers, libraries, the command, and the package that find_package(ramie) finds.
set(ramie_targets ramie_fiber)
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
endif()
if(TARGET ramie-doctor)
  install(TARGETS ramie-doctor RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES docs/man/ramie-doctor.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
install(EXPORT ramie-targets NAMESPACE ramie:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ramie)
configure_package_config_file(cmake/ramie-config.cmake.in ${PROJECT_BINARY_DIR}/ramie-config.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ramie)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ramie-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ramie-config.cmake ${PROJECT_BINARY_DIR}/ramie-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ramie)
