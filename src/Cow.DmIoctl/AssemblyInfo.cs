// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;

// Only blittable types cross into libc.
[assembly: DisableRuntimeMarshalling]
