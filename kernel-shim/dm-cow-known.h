/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm-cow: the ranges of dm-cow-known.c, as lookups of the map read them.
 */
#ifndef DM_COW_KNOWN_H
#define DM_COW_KNOWN_H

#include "dm-cow.h"

/**
 * cow_range_find - the range of a chunk
 * @known: the ranges, or NULL; under RCU
 * @chunk: the chunk
 *
 * Return: the range, or NULL.
 */
static inline const struct cow_range *
cow_range_find(const struct cow_known *known, u64 chunk)
{
	unsigned int low = 0, high = known ? known->nr : 0;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;
		const struct cow_range *range = &known->ranges[mid];

		if (chunk < range->chunk)
			high = mid;
		else if (chunk >= range->end)
			low = mid + 1;
		else
			return range;
	}
	return NULL;
}

/**
 * cow_range_sector - where a chunk of a range reads from
 * @ctx: the context
 * @range: the range
 * @chunk: the chunk
 *
 * Zeros are everywhere alike.
 */
static inline u64 cow_range_sector(const struct cow_ctx *ctx,
				   const struct cow_range *range, u64 chunk)
{
	if (range->dev == DM_COW_DEV_ZERO)
		return 0;
	return range->sector + ((chunk - range->chunk) << ctx->chunk_shift);
}

#endif
