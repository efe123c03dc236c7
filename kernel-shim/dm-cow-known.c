// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-cow: where chunks without a place read from.
 *
 * Ranges, ascending and few, since a controller usually says "all the rest is in
 * the base".  They are replaced as a whole: readers take no lock.
 */
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "dm-cow.h"
#include "dm-cow-known.h"

/* Beyond that all but the newest are forgotten and asked for again. */
#define COW_MAX_RANGES	4096

static bool ranges_join(const struct cow_ctx *ctx, const struct cow_range *a,
			const struct cow_range *b)
{
	return a->end == b->chunk && a->dev == b->dev &&
	       cow_range_sector(ctx, a, b->chunk) == b->sector;
}

static void range_append(const struct cow_ctx *ctx, struct cow_known *known,
			 const struct cow_range *range)
{
	struct cow_range *last = known->ranges + known->nr - 1;

	if (range->chunk >= range->end)
		return;
	if (known->nr && ranges_join(ctx, last, range))
		last->end = range->end;
	else
		known->ranges[known->nr++] = *range;
}

/* The part of a range that starts at chunk. */
static struct cow_range range_tail(const struct cow_ctx *ctx,
				   const struct cow_range *range, u64 chunk)
{
	struct cow_range tail = *range;

	tail.chunk = max(chunk, range->chunk);
	tail.sector = tail.chunk < range->end ?
		cow_range_sector(ctx, range, tail.chunk) : 0;
	return tail;
}

static void known_publish(struct cow_ctx *ctx, struct cow_known *new)
{
	struct cow_map *map = &ctx->map;
	struct cow_known *old;

	old = rcu_dereference_protected(map->known, true);
	/* After all places in it; pairs with the barrier of the lookup. */
	rcu_assign_pointer(map->known, new);
	if (new)
		atomic_long_add(struct_size(new, ranges, new->nr),
				&map->bytes);
	if (old) {
		atomic_long_sub(struct_size(old, ranges, old->nr),
				&map->bytes);
		kvfree_rcu(old, rcu);
	}
}

/**
 * cow_known_tell - chunks of this range without a place read from there
 * @ctx: the context; its control mutex is held
 * @range: the range; it replaces what older ones say
 *
 * Context: process; may sleep.
 * Return: 0 or -ENOMEM.
 */
int cow_known_tell(struct cow_ctx *ctx, const struct cow_range *range)
{
	struct cow_known *old, *new;
	unsigned int i, nr;

	old = rcu_dereference_protected(ctx->map.known, true);
	nr = old && old->nr < COW_MAX_RANGES ? old->nr : 0;
	new = kvzalloc(struct_size(new, ranges, nr + 2),
		       GFP_KERNEL | __GFP_NOWARN);
	if (!new)
		return -ENOMEM;
	for (i = 0; i < nr && old->ranges[i].chunk < range->chunk; i++) {
		struct cow_range head = old->ranges[i];

		head.end = min(head.end, range->chunk);
		range_append(ctx, new, &head);
	}
	range_append(ctx, new, range);
	/* The one before may reach beyond the new range on both sides. */
	for (i = i ? i - 1 : 0; i < nr; i++) {
		struct cow_range tail;

		tail = range_tail(ctx, &old->ranges[i], range->end);
		range_append(ctx, new, &tail);
	}
	known_publish(ctx, new);
	return 0;
}

/**
 * cow_known_all - do the ranges cover the whole device?
 * @ctx: the context; its control mutex is held
 */
bool cow_known_all(struct cow_ctx *ctx)
{
	struct cow_known *known;
	unsigned int i;
	u64 end = 0;

	known = rcu_dereference_protected(ctx->map.known, true);
	for (i = 0; known && i < known->nr; i++) {
		if (known->ranges[i].chunk != end)
			return false;
		end = known->ranges[i].end;
	}
	return end >= cow_nr_chunks(ctx);
}

/**
 * cow_known_forget - nothing is known any more
 * @ctx: the context; its control mutex is held
 */
void cow_known_forget(struct cow_ctx *ctx)
{
	known_publish(ctx, NULL);
}
