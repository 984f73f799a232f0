// The emulation's stand-in for the header of the CUDA toolkit.
#pragma once

#include "simt/atomics.h"
#include "simt/barrier.h"
#include "simt/device.h"
#include "simt/float_math.h"
#include "simt/integer.h"
#include "simt/launch.h"
#include "simt/memory_access.h"
#include "simt/qualifiers.h"
#include "simt/runtime_api.h"
#include "simt/shared_variable.h"
#include "simt/thread.h"
#include "simt/types.h"
#include "simt/vector_types.h"
#include "simt/warp.h"
