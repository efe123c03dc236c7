// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-cow: places that the controller gave in advance.
 *
 * A grant is a stretch of places: a pool, "take the next of these", or a range,
 * "these chunks live there".  A first write takes its places from them in
 * map() and asks nobody:
 *
 *   GRANT -> ctx->granted --taken, under ctx->lock--> a span on its way
 *                 |
 *                 +--REVOKE, or the last line goes--> ctx->revoked -> REVOKED
 *
 * A pool shrinks as it is used.  A range does not: the map knows which of its
 * chunks have a place, so that a range costs the same however it is used.
 *
 * A grant outlives its end by the places that were taken from it, until they are
 * committed or failed: so long nobody else may be given them (ctx->holders).
 *
 * What a take needs is allocated before the lock, without waiting
 * (cow_grant_prepare()); what turns out to be missing under the lock is
 * allocated again.  Where there is no memory the controller is asked.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "dm-cow.h"

static u64 grant_end(const struct cow_ctx *ctx, const struct cow_grant *grant)
{
	return grant->sector + (grant->count << ctx->chunk_shift);
}

static bool is_pool(const struct cow_grant *grant)
{
	return grant->chunk == DM_COW_ANY_CHUNK;
}

/* The first grant that ends behind a sector of a device. */
static struct cow_grant *grant_behind(struct cow_ctx *ctx, u32 dev, u64 sector)
{
	struct rb_node *node = ctx->granted.rb_node;
	struct cow_grant *found = NULL;

	while (node) {
		struct cow_grant *grant;

		grant = rb_entry(node, struct cow_grant, by_place);
		if (grant->dev < dev || (grant->dev == dev &&
					 grant_end(ctx, grant) <= sector)) {
			node = node->rb_right;
		} else {
			found = grant;
			node = node->rb_left;
		}
	}
	return found;
}

static bool grant_overlaps(const struct cow_grant *grant, u32 dev, u64 end)
{
	return grant && grant->dev == dev && grant->sector < end;
}

static struct cow_grant *range_find(struct cow_ctx *ctx, u64 chunk)
{
	struct rb_node *node = ctx->ranges.rb_node;

	while (node) {
		struct cow_grant *range;

		range = rb_entry(node, struct cow_grant, by_chunk);
		if (chunk < range->chunk)
			node = node->rb_left;
		else if (chunk - range->chunk >= range->count)
			node = node->rb_right;
		else
			return range;
	}
	return NULL;
}

/* Chunks from one that no range serves on, up to the next range. */
static u64 range_gap(struct cow_ctx *ctx, u64 chunk, u64 max)
{
	struct rb_node *node = ctx->ranges.rb_node;

	while (node) {
		struct cow_grant *range;

		range = rb_entry(node, struct cow_grant, by_chunk);
		if (range->chunk > chunk) {
			max = min(max, range->chunk - chunk);
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return max;
}

static void insert_by_place(struct cow_ctx *ctx, struct cow_grant *grant)
{
	struct rb_node **link = &ctx->granted.rb_node, *parent = NULL;

	while (*link) {
		struct cow_grant *other;

		parent = *link;
		other = rb_entry(parent, struct cow_grant, by_place);
		if (grant->dev < other->dev || (grant->dev == other->dev &&
						grant->sector < other->sector))
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&grant->by_place, parent, link);
	rb_insert_color(&grant->by_place, &ctx->granted);
}

/* False if another range speaks of one of its chunks. */
static bool insert_by_chunk(struct cow_ctx *ctx, struct cow_grant *range)
{
	struct rb_node **link = &ctx->ranges.rb_node, *parent = NULL;

	while (*link) {
		struct cow_grant *other;

		parent = *link;
		other = rb_entry(parent, struct cow_grant, by_chunk);
		if (range->chunk + range->count <= other->chunk)
			link = &parent->rb_left;
		else if (range->chunk >= other->chunk + other->count)
			link = &parent->rb_right;
		else
			return false;
	}
	rb_link_node(&range->by_chunk, parent, link);
	rb_insert_color(&range->by_chunk, &ctx->ranges);
	return true;
}

static void grant_free(struct cow_grant *grant)
{
	kfree(grant->taken);
	kfree(grant);
}

/* Frees a grant that is in no list any more. */
static void __grant_put(struct cow_ctx *ctx, struct cow_grant *grant)
{
	if (grant->live || grant->busy || !list_empty(&grant->list) ||
	    !list_empty(&grant->news))
		return;
	ctx->nr_grants--;
	grant_free(grant);
}

/* From now on nothing is taken from it. */
static void __grant_retire(struct cow_ctx *ctx, struct cow_grant *grant)
{
	rb_erase(&grant->by_place, &ctx->granted);
	if (!is_pool(grant))
		rb_erase(&grant->by_chunk, &ctx->ranges);
	list_del_init(&grant->list);
	grant->live = false;
}

/**
 * cow_grant_prepare - allocate what taking granted places needs
 * @ctx: the context
 * @chunk: first chunk of a write
 * @count: chunks, all of them without a place
 * @spare: what it came to
 * @gfp: how
 *
 * Context: without ctx->lock.
 */
void cow_grant_prepare(struct cow_ctx *ctx, u64 chunk, u64 count,
		       struct cow_spare *spare, gfp_t gfp)
{
	spare->wanted = cow_grant_any(ctx);
	if (!spare->wanted)
		return;
	count = min(count, cow_map_group_rest(chunk));
	if (!spare->run)
		spare->run = cow_run_alloc(gfp);
	if (spare->run && !cow_journal_prepare(ctx, &spare->page, gfp) &&
	    !cow_map_prepare(ctx, chunk, count, &spare->room, gfp))
		spare->chunks = count;
}

/**
 * cow_grant_unprepare - free what was not used
 * @spare: from cow_grant_prepare(), or zeros
 * @all: also what does not depend on the state of the map
 */
void cow_grant_unprepare(struct cow_spare *spare, bool all)
{
	cow_room_free(spare->room);
	cow_page_free(spare->page);
	spare->room = NULL;
	spare->page = NULL;
	spare->chunks = 0;
	if (all && spare->run)
		cow_run_free(spare->run);
}

static struct cow_grant *__find_places(struct cow_ctx *ctx, u64 chunk,
				       bool barred)
{
	struct cow_grant *range = range_find(ctx, chunk);

	if (range)
		return barred ? NULL : range;
	return list_first_entry_or_null(&ctx->pools, struct cow_grant, list);
}

/* Chunks of a run that the grant has places for. */
static u64 grant_reach(struct cow_ctx *ctx, const struct cow_grant *grant,
		       u64 chunk, u64 count)
{
	if (!is_pool(grant))
		return min(count, grant->count - (chunk - grant->chunk));
	count = min(count, grant->count);
	return RB_EMPTY_ROOT(&ctx->ranges) ? count :
					     range_gap(ctx, chunk, count);
}

static inline void __grant_use(struct cow_ctx *ctx, struct cow_grant *grant,
			       u64 count)
{
	if (!is_pool(grant)) {
		ctx->range_left -= min(ctx->range_left, count);
		return;
	}
	WRITE_ONCE(ctx->pool_left, ctx->pool_left - count);
	if (ctx->pool_left < ctx->pool_low && ctx->chan) {
		/* Once for each GRANT. */
		ctx->pool_low = 0;
		__cow_nudge(ctx);
	}
	grant->sector += count << ctx->chunk_shift;
	grant->count -= count;
	if (!grant->count)
		__grant_retire(ctx, grant);
}

static void run_source(struct cow_run *run, const struct cow_extent *ext)
{
	bool zero = ext->source_dev == DM_COW_DEV_ZERO;

	run->fill = zero ? DM_COW_FILL_ZERO : DM_COW_FILL_COPY;
	run->source_dev = zero ? 0 : ext->source_dev;
	run->source_sector = zero ? 0 : ext->source_sector;
}

/* Index of a place among those that a pool had. */
static unsigned long pool_index(const struct cow_ctx *ctx,
				const struct cow_grant *pool, u64 sector)
{
	return (sector - pool->first) >> ctx->chunk_shift;
}

static __always_inline void
__pool_mark(struct cow_ctx *ctx, struct cow_grant *pool,
	    const struct cow_span *span, bool taken)
{
	unsigned long bit = pool_index(ctx, pool, span->sector);

	if (span->count == 1)
		__assign_bit(bit, pool->taken, taken);
	else if (taken)
		bitmap_set(pool->taken, bit, span->count);
	else
		bitmap_clear(pool->taken, bit, span->count);
}

/* Are places in [sector, end) taken from the pool, and not committed? */
static bool pool_holds(const struct cow_ctx *ctx, const struct cow_grant *pool,
		       u64 sector, u64 end)
{
	unsigned long last = pool_index(ctx, pool, end - 1);
	unsigned long bit = pool_index(ctx, pool, sector);

	return find_next_bit(pool->taken, last + 1, bit) <= last;
}

/* As pool_holds().  The map tells, of so many places as a fault has at most. */
static bool range_holds(struct cow_ctx *ctx, const struct cow_grant *range,
			u64 sector, u64 end)
{
	u64 step = cow_chunk_sectors(ctx);
	u64 skip = (sector - range->first) >> ctx->chunk_shift;
	u64 chunk = range->chunk + skip;

	if (end - sector > (u64)COW_MAX_FAULT << ctx->chunk_shift)
		return true;
	/* A place may lie across two of those that are asked for. */
	sector = range->first + (skip << ctx->chunk_shift);
	for (; sector < end; sector += step, chunk++) {
		if (cow_map_leads_to(ctx, chunk, range->dev, sector))
			return true;
	}
	return false;
}

static void __holder_add(struct cow_ctx *ctx, struct cow_grant *grant)
{
	u64 end = grant->first + (grant->places << ctx->chunk_shift);

	if (list_empty(&ctx->holders)) {
		ctx->held_dev = 0;
		ctx->held_end = 0;
	}
	list_add_tail(&grant->holder, &ctx->holders);
	if (grant->dev > ctx->held_dev) {
		ctx->held_dev = grant->dev;
		ctx->held_end = end;
	} else if (grant->dev == ctx->held_dev) {
		ctx->held_end = max(ctx->held_end, end);
	}
}

/**
 * __cow_grant_holds - was one of these places taken from a grant?
 * @ctx: the context; its lock is held
 * @dev: device of the places
 * @sector: the first one
 * @count: places
 * @but: not from this one, or NULL
 *
 * Return: true if one of them is being copied to or uncommitted.
 */
bool __cow_grant_holds(struct cow_ctx *ctx, u32 dev, u64 sector, u64 count,
		       const struct cow_grant *but)
{
	u64 end = sector + (count << ctx->chunk_shift);
	struct cow_grant *grant;

	lockdep_assert_held(&ctx->lock);
	/* New places mostly lie behind all that are in use. */
	if (dev > ctx->held_dev ||
	    (dev == ctx->held_dev && sector >= ctx->held_end))
		return false;
	list_for_each_entry(grant, &ctx->holders, holder) {
		u64 from = max(sector, grant->first);
		u64 to = min(end, grant->first +
				  (grant->places << ctx->chunk_shift));

		if (grant == but || grant->dev != dev || from >= to)
			continue;
		if (is_pool(grant) ? pool_holds(ctx, grant, from, to) :
				     range_holds(ctx, grant, from, to))
			return true;
	}
	return false;
}

/*
 * Places of a range may be in use: they are not looked at when it is granted.  It
 * gives none twice itself, for these chunks have no place.
 */
static bool __may_take(struct cow_ctx *ctx, const struct cow_grant *grant,
		       const struct cow_span *span)
{
	if (is_pool(grant) ||
	    !__cow_place_in_use(ctx, span->dev, span->sector, span->count,
				grant))
		return true;
	DMWARN_LIMIT("%s: the place granted to chunk %llu is in use",
		     ctx->ident, span->chunk);
	return false;
}

/* The places are the span's; false if one of them is in use. */
static __always_inline bool
__grant_give(struct cow_ctx *ctx, struct cow_grant *grant,
	     struct cow_span *span)
{
	span->grant = grant;
	span->dev = grant->dev;
	span->sector = grant->sector;
	if (!is_pool(grant))
		span->sector += (span->chunk - grant->chunk) <<
				ctx->chunk_shift;
	if (!__may_take(ctx, grant, span))
		return false;
	if (!grant->busy)
		__holder_add(ctx, grant);
	grant->busy += span->count;
	if (is_pool(grant))
		__pool_mark(ctx, grant, span, true);
	__grant_use(ctx, grant, span->count);
	ctx->nr_taken++;
	return true;
}

/**
 * __cow_grant_claim - places for a first write that needs no copy
 * @ctx: the context; its lock is held
 * @span: its chunks, which have no place; cut to those that get one
 *
 * Return: false if none are granted to the first chunk.
 */
bool __cow_grant_claim(struct cow_ctx *ctx, struct cow_span *span)
{
	struct cow_grant *grant;

	lockdep_assert_held(&ctx->lock);
	grant = __find_places(ctx, span->chunk, false);
	if (!grant)
		return false;
	span->count = grant_reach(ctx, grant, span->chunk, span->count);
	return __grant_give(ctx, grant, span);
}

/**
 * __cow_grant_take - places for the first chunks of a first write
 * @ctx: the context; its lock is held
 * @chunk: first chunk, in state none and in no fault
 * @ext: what was looked up about it under the lock
 * @spare: what was prepared; its run is in ctx->copying after that
 *
 * Return: how many chunks got places, 0 if none are granted, -ENOMEM, or
 * -EAGAIN if it must be prepared again.
 */
int __cow_grant_take(struct cow_ctx *ctx, u64 chunk,
		     const struct cow_extent *ext, struct cow_spare *spare)
{
	struct cow_grant *grant = __find_places(ctx, chunk, ext->barred);
	struct cow_run *run = spare->run;
	u64 count;

	lockdep_assert_held(&ctx->lock);
	if (!grant)
		return 0;
	if (!spare->chunks)
		return -ENOMEM;
	count = grant_reach(ctx, grant, chunk,
			    min(ext->count, spare->chunks));
	if (!cow_map_make_room(ctx, chunk, count, &spare->room) ||
	    !__cow_journal_claim(ctx, &spare->page))
		return -EAGAIN;
	run->at.chunk = chunk;
	run->at.count = count;
	run_source(run, ext);
	if (!__grant_give(ctx, grant, &run->at)) {
		__cow_journal_unclaim(ctx);
		return 0;
	}
	cow_map_set(ctx, &run->at, COW_COPYING);
	list_add_tail(&run->list, &ctx->copying);
	spare->run = NULL;
	return count;
}

/**
 * __cow_grant_arrived - a span that came from a grant is on its way no more
 * @ctx: the context; its lock is held
 */
void __cow_grant_arrived(struct cow_ctx *ctx)
{
	lockdep_assert_held(&ctx->lock);
	ctx->nr_taken--;
	if (ctx->revoking && !ctx->nr_taken)
		wake_up_interruptible(&ctx->wait);
}

/**
 * __cow_grant_failed - the copy of a span that came from a grant has failed
 * @ctx: the context; its lock is held
 * @span: its places are not in use any more
 */
void __cow_grant_failed(struct cow_ctx *ctx, const struct cow_span *span)
{
	lockdep_assert_held(&ctx->lock);
	/* Where it could not be written it is not tried again unasked. */
	cow_map_set(ctx, span, COW_BARRED);
	__cow_grant_arrived(ctx);
}

/**
 * __cow_grant_release - places that were taken are committed, or were not used
 * @ctx: the context; its lock is held
 * @span: whose they are
 */
void __cow_grant_release(struct cow_ctx *ctx, const struct cow_span *span)
{
	struct cow_grant *grant = span->grant;

	lockdep_assert_held(&ctx->lock);
	if (is_pool(grant))
		__pool_mark(ctx, grant, span, false);
	grant->busy -= span->count;
	if (grant->busy)
		return;
	list_del(&grant->holder);
	__grant_put(ctx, grant);
}

/**
 * __cow_grant_collides - was any of these places granted to others?
 * @ctx: the context; its lock is held
 * @dev: device of the places
 * @sector: the first one
 * @chunk: whose it would be; DM_COW_ANY_CHUNK for places of a pool
 * @count: adjoining chunks and places
 *
 * A range grants each chunk its place, which it may also be given otherwise.
 */
bool __cow_grant_collides(struct cow_ctx *ctx, u32 dev, u64 sector, u64 chunk,
			  u64 count)
{
	u64 end = sector + (count << ctx->chunk_shift);
	struct cow_grant *grant = grant_behind(ctx, dev, sector);

	lockdep_assert_held(&ctx->lock);
	while (grant_overlaps(grant, dev, end)) {
		struct rb_node *node = rb_next(&grant->by_place);

		if (is_pool(grant) || chunk == DM_COW_ANY_CHUNK ||
		    sector - (chunk << ctx->chunk_shift) !=
		    grant->sector - (grant->chunk << ctx->chunk_shift))
			return true;
		grant = rb_entry_safe(node, struct cow_grant, by_place);
	}
	return false;
}

/* So many look-ups a place costs where ranges were granted and revoked. */
static bool __is_overgranted(struct cow_ctx *ctx, const struct cow_grant *range)
{
	u64 end = grant_end(ctx, range);
	struct cow_grant *grant;
	unsigned int nr = 0;

	list_for_each_entry(grant, &ctx->holders, holder) {
		if (!is_pool(grant) && grant->dev == range->dev &&
		    grant->first < end && grant_end(ctx, grant) > range->sector)
			nr++;
	}
	return nr >= COW_MAX_OVERLAPS;
}

static int __grant_refusal(struct cow_ctx *ctx, const struct cow_grant *grant)
{
	u64 end = grant_end(ctx, grant);

	if (ctx->mode != COW_MODE_RW)
		return -EROFS;
	if (ctx->revoking)
		return -EBUSY;
	if (grant_overlaps(grant_behind(ctx, grant->dev, grant->sector),
			   grant->dev, end))
		return -EBUSY;
	if (is_pool(grant) && __cow_place_in_use(ctx, grant->dev, grant->sector,
						 grant->count, NULL))
		return -EBUSY;
	if (ctx->nr_grants >= COW_MAX_GRANTS ||
	    (!is_pool(grant) && __is_overgranted(ctx, grant)))
		return -E2BIG;
	return 0;
}

/* Fewer places than this are too few. */
static u64 pool_low(const struct cow_ctx *ctx)
{
	return DIV_ROUND_UP(ctx->pool_left, 4);
}

static int __grant_add(struct cow_ctx *ctx, struct cow_grant *grant)
{
	int r = __grant_refusal(ctx, grant);

	if (r)
		return r;
	if (!is_pool(grant) && !insert_by_chunk(ctx, grant))
		return -EBUSY;
	insert_by_place(ctx, grant);
	grant->live = true;
	ctx->nr_grants++;
	if (!is_pool(grant)) {
		ctx->range_left += grant->count;
		return 0;
	}
	list_add_tail(&grant->list, &ctx->pools);
	WRITE_ONCE(ctx->pool_left, ctx->pool_left + grant->count);
	ctx->pool_low = pool_low(ctx);
	return 0;
}

static struct cow_grant *grant_make(const struct dm_cow_reply *r)
{
	struct cow_grant *grant;

	grant = kzalloc(sizeof(*grant), GFP_KERNEL | __GFP_NOWARN);
	if (!grant)
		return NULL;
	INIT_LIST_HEAD(&grant->list);
	INIT_LIST_HEAD(&grant->news);
	grant->chunk = r->chunk;
	grant->count = r->count;
	grant->places = r->count;
	grant->sector = r->sector;
	grant->first = r->sector;
	grant->dev = r->device;
	if (!is_pool(grant))
		return grant;
	grant->taken = bitmap_zalloc(r->count, GFP_KERNEL | __GFP_NOWARN);
	if (grant->taken)
		return grant;
	grant_free(grant);
	return NULL;
}

/**
 * cow_grant - GRANT: places for first writes to come
 * @ctx: the context; its control mutex is held
 * @r: the record, whose ranges were checked
 *
 * Return: 0 or the errno of PROTOCOL.md.
 */
int cow_grant(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	struct cow_grant *grant = grant_make(r);
	int err;

	if (!grant)
		return -ENOMEM;
	spin_lock_irq(&ctx->lock);
	err = __grant_add(ctx, grant);
	spin_unlock_irq(&ctx->lock);
	if (err)
		grant_free(grant);
	return err;
}

/**
 * __cow_grant_revoke - nothing is taken any more; the controller will be told
 * @ctx: the context; its lock is held
 */
void __cow_grant_revoke(struct cow_ctx *ctx)
{
	struct rb_node *node;

	lockdep_assert_held(&ctx->lock);
	while ((node = rb_first(&ctx->granted))) {
		struct cow_grant *grant;

		grant = rb_entry(node, struct cow_grant, by_place);
		__grant_retire(ctx, grant);
		list_add_tail(&grant->list, &ctx->revoked);
	}
	WRITE_ONCE(ctx->pool_left, 0);
	ctx->pool_low = 0;
	ctx->range_left = 0;
	ctx->revoking = true;
	/* An end that is on its way is that of the one before. */
	if (ctx->chan)
		ctx->chan->peeked_revoked = false;
	wake_up_interruptible(&ctx->wait);
}

/**
 * __cow_grant_silence - nobody is left to be told of grants
 * @ctx: the context; its lock is held
 *
 * Rests that were revoked and not told of are nobody's: a new controller takes
 * what is not in the picture for free.
 */
void __cow_grant_silence(struct cow_ctx *ctx)
{
	struct cow_grant *grant, *next;

	lockdep_assert_held(&ctx->lock);
	list_for_each_entry_safe(grant, next, &ctx->grant_news, news) {
		list_del_init(&grant->news);
		__grant_put(ctx, grant);
	}
	list_for_each_entry_safe(grant, next, &ctx->revoked, list) {
		list_del_init(&grant->list);
		__grant_put(ctx, grant);
	}
	ctx->revoking = false;
	ctx->nudge = false;
}

/**
 * __cow_grant_forget - all grants end, and nobody is told
 * @ctx: the context; its lock is held
 */
void __cow_grant_forget(struct cow_ctx *ctx)
{
	__cow_grant_revoke(ctx);
	__cow_grant_silence(ctx);
}

/**
 * __cow_grant_picture - what a new controller has to be told
 * @ctx: the context; its lock is held
 */
void __cow_grant_picture(struct cow_ctx *ctx)
{
	struct rb_node *node;

	/* That they run low was said to the one before it. */
	ctx->pool_low = pool_low(ctx);
	for (node = rb_first(&ctx->granted); node; node = rb_next(node)) {
		struct cow_grant *grant;

		grant = rb_entry(node, struct cow_grant, by_place);
		grant->peeked = false;
		grant->told_count = grant->count;
		grant->told_sector = grant->sector;
		list_add_tail(&grant->news, &ctx->grant_news);
	}
}

/**
 * __cow_grant_told - GRANTED records were read, or were not
 * @ctx: the context; its lock is held
 * @told: they were
 */
void __cow_grant_told(struct cow_ctx *ctx, bool told)
{
	struct cow_grant *grant, *next;

	list_for_each_entry_safe(grant, next, &ctx->grant_news, news) {
		if (!grant->peeked)
			break;
		grant->peeked = false;
		if (!told)
			continue;
		list_del_init(&grant->news);
		__grant_put(ctx, grant);
	}
}

/**
 * __cow_revoked_told - REVOKED records were read, or were not
 * @ctx: the context; its lock is held
 * @told: they were
 * @end: the last of them was among them
 */
void __cow_revoked_told(struct cow_ctx *ctx, bool told, bool end)
{
	struct cow_grant *grant, *next;

	list_for_each_entry_safe(grant, next, &ctx->revoked, list) {
		if (!grant->peeked)
			break;
		grant->peeked = false;
		if (!told)
			continue;
		list_del_init(&grant->list);
		__grant_put(ctx, grant);
	}
	if (told && end)
		ctx->revoking = false;
}

/**
 * __cow_revoked_due - can REVOKED be told?
 * @ctx: the context; its lock is held
 *
 * Not before all that was taken is, nor inside the picture.
 */
bool __cow_revoked_due(const struct cow_ctx *ctx)
{
	return ctx->revoking && !ctx->nr_taken && !ctx->picture;
}

/**
 * cow_grant_init - nothing is granted
 * @ctx: a new context
 */
void cow_grant_init(struct cow_ctx *ctx)
{
	INIT_LIST_HEAD(&ctx->pools);
	INIT_LIST_HEAD(&ctx->grant_news);
	INIT_LIST_HEAD(&ctx->revoked);
	INIT_LIST_HEAD(&ctx->holders);
	ctx->granted = RB_ROOT;
	ctx->ranges = RB_ROOT;
}

/**
 * cow_grant_exit - free what is left
 * @ctx: a context that ends; its places are in use no more
 */
void cow_grant_exit(struct cow_ctx *ctx)
{
	struct cow_grant *grant, *next;

	spin_lock_irq(&ctx->lock);
	__cow_grant_forget(ctx);
	list_for_each_entry_safe(grant, next, &ctx->holders, holder) {
		grant->busy = 0;
		__grant_put(ctx, grant);
	}
	spin_unlock_irq(&ctx->lock);
}
