# What find_package(Basin) finds: headers with what TableGen made of them, the
# .td files, libraries and tools.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Basin)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/basin ${PROJECT_BINARY_DIR}/include/basin
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h" PATTERN "*.td" PATTERN "*.inc"
  PATTERN CMakeFiles EXCLUDE)
install(EXPORT BasinTargets DESTINATION ${_package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/BasinConfig.cmake.in
  ${PROJECT_BINARY_DIR}/BasinConfig.cmake
  INSTALL_DESTINATION ${_package_dir}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/BasinConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/BasinConfig.cmake ${PROJECT_BINARY_DIR}/BasinConfigVersion.cmake
  DESTINATION ${_package_dir})
