// Elements of two bytes in the checks.
#pragma once
#define TEFF_HOST
#include "../../element.h"

template <class E> const char *suffix();
template <> inline const char *suffix<half>() { return "f16"; }
template <> inline const char *suffix<bfloat>() { return "bf16"; }
