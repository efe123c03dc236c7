# SPDX-License-Identifier: MIT
# timeout: 400
# The same on format bitmap, its bitmap in front of the data and on its own device.
require_module
. /payload/cases/fio-matrix.inc
fio_matrix bitmap 8 2048
fio_matrix "bitmap --bitmap-device $EXTRA1" 128
