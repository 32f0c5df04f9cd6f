# Boost 1.81, for what is compared with it and for what works inside of it: bench/, tests/adopt, some of examples/.
#
# Debian's versions of Boost exclude each other, so where another is installed scripts/lib.sh unpacks this one into
# build/boost-1.81. Target ramie_boost where it was found; RAMIE_BOOST_MISSING says why not.
set(RAMIE_BOOST_ROOT "" CACHE PATH "Boost 1.81: a folder that holds usr/include and usr/lib")
if(RAMIE_BOOST_ROOT)
  set(boost_roots ${RAMIE_BOOST_ROOT}/usr)
elseif(EXISTS ${PROJECT_SOURCE_DIR}/build/boost-1.81/usr/include/boost)
  set(boost_roots ${PROJECT_SOURCE_DIR}/build/boost-1.81/usr)
else()
  set(boost_roots /usr /usr/local)
endif()
# Searched anew each time: it may have been unpacked since.
unset(RAMIE_BOOST_INCLUDE CACHE)
unset(RAMIE_BOOST_context CACHE)
unset(RAMIE_BOOST_fiber CACHE)
find_path(RAMIE_BOOST_INCLUDE boost/context/fiber.hpp PATHS ${boost_roots} PATH_SUFFIXES include NO_DEFAULT_PATH)
foreach(part IN ITEMS context fiber)
  find_library(RAMIE_BOOST_${part} NAMES libboost_${part}.a PATHS ${boost_roots}
               PATH_SUFFIXES lib lib/${CMAKE_LIBRARY_ARCHITECTURE} NO_DEFAULT_PATH)
endforeach()
set(RAMIE_BOOST_MISSING "")
if(NOT RAMIE_BOOST_INCLUDE OR NOT RAMIE_BOOST_context OR NOT RAMIE_BOOST_fiber)
  set(RAMIE_BOOST_MISSING "no Boost.Context and Boost.Fiber here (libboost-fiber1.81-dev)")
else()
  file(STRINGS ${RAMIE_BOOST_INCLUDE}/boost/version.hpp boost_version REGEX "^#define BOOST_VERSION ")
  string(REGEX REPLACE "[^0-9]*([0-9]+).*" "\\1" boost_version "${boost_version}")
  if(boost_version LESS 108100)
    set(RAMIE_BOOST_MISSING "the Boost here is ${boost_version}, older than 1.81")
  else()
    add_library(ramie_boost INTERFACE)
    target_include_directories(ramie_boost SYSTEM INTERFACE ${RAMIE_BOOST_INCLUDE})
    target_link_libraries(ramie_boost INTERFACE ${RAMIE_BOOST_fiber} ${RAMIE_BOOST_context})
    # g++ 12 warns of a member of Coroutine2's own control block.
    target_compile_options(ramie_boost INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  endif()
endif()

# Target ramie_beast: the headers of Boost.Beast and Asio alone, for sockets; RAMIE_BEAST_MISSING says why not. 1.74, the
# version that Debian 12 installs by default, does as well.
unset(RAMIE_BEAST_INCLUDE CACHE)
find_path(RAMIE_BEAST_INCLUDE boost/beast/http.hpp PATHS ${boost_roots} /usr PATH_SUFFIXES include NO_DEFAULT_PATH)
set(RAMIE_BEAST_MISSING "")
if(RAMIE_BEAST_INCLUDE)
  add_library(ramie_beast INTERFACE)
  target_include_directories(ramie_beast SYSTEM INTERFACE ${RAMIE_BEAST_INCLUDE})
else()
  set(RAMIE_BEAST_MISSING "no Boost.Beast here (libboost1.81-dev)")
endif()
