"""Recipe for Conan 2, run from the source tree: `conan create packaging/conan`. Not run: written against its documentation."""
import os

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy


class Ramie(ConanFile):
    name = "ramie"
    version = "0.1.0"
    license = "Apache-2.0 WITH LLVM-exception"
    description = "Fibers for C++20 on Linux: a million, each guarded"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": False}

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("ramie is for Linux")

    def export_sources(self):
        source = os.path.join(self.recipe_folder, "..", "..")
        for part in ("CMakeLists.txt", "LICENSE", "cmake/*", "include/*", "src/*", "scripts/gdb/*", "docs/man/*", "packaging/*"):
            copy(self, part, source, self.export_sources_folder)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["RAMIE_BUILD_APPS"] = False
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "ramie")
        self.cpp_info.components["fiber"].libs = ["ramie-fiber"]
        self.cpp_info.components["fiber"].system_libs = ["pthread"]
        self.cpp_info.components["fiber"].set_property("cmake_target_name", "ramie::fiber")
