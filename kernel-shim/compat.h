/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The differences between the kernels that dm-cow is built for (6.1 and
 * 6.12).  No other file asks for a version.
 */
#ifndef DM_COW_COMPAT_H
#define DM_COW_COMPAT_H

#include <linux/blkdev.h>
#include <linux/device-mapper.h>

/* 6.5 gave block devices an open mode of their own. */
#ifdef BLK_OPEN_READ
#define COW_OPEN_READ	BLK_OPEN_READ
#else
#define COW_OPEN_READ	FMODE_READ
#endif

#endif
