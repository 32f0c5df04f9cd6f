// expect: conversion|no viable|convert
#include <ramie/fiber.hpp>

void take(ramie::fiber);

void make() {
#if defined(RAMIE_FIXED)
  take(ramie::fiber([] {}));
#else
  take([] {});
#endif
}
