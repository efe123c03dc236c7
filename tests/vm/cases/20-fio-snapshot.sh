# SPDX-License-Identifier: MIT
# timeout: 900
# crc32c verification over chunk sizes, block sizes, direct and buffered, random and sequential; the base stays.
require_module
. /payload/cases/fio-matrix.inc
fio_matrix snapshot 8 64 2048
