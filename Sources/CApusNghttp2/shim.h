// nghttp2's header; nothing of it needs an inline function.
#pragma once
#include <nghttp2/nghttp2.h>
