// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-cow: where the chunks are.
 *
 * Chunks with a place are kept in groups of 256, which a table of two levels
 * leads to: its leaves are pages of pointers.  A group is thin, a short array of
 * entries in no order, or full, one entry for each chunk.  Dense maps cost 8
 * bytes a chunk, a lone chunk 41 and its part of a leaf.  Chunks without a place
 * are known by ranges (dm-cow-known.c).
 *
 * Readers take no lock.  An entry is one word, so that it is seen whole; a
 * thin group only grows at its end; a group that must become larger is
 * replaced.  A range may be published only when all places in it are in
 * their groups, so readers look at the ranges first: who sees the range
 * then sees the places.
 *
 * Memory is allocated before a place is given, without a lock (cow_map_prepare()):
 * in the context of the controller when it answers, in that of the writer when
 * the place comes from a grant.  Both look under ctx->lock whether there is room
 * then (cow_map_make_room()).  What happens to the place later changes its entry
 * and needs no memory.  What is not set in the hold of the lock that makes room in
 * one group, MAP and places in several groups, is reserved before
 * (cow_map_reserve()) and promised: a writer leaves it alone.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "dm-cow.h"
#include "dm-cow-known.h"

/* Entries of the largest thin group; a full one costs no more per chunk. */
#define COW_THIN_MAX	31U

/* An entry: index in the group, state, device, sector. */
#define COW_E_INDEX_SHIFT	56
#define COW_E_STATE_SHIFT	52
#define COW_E_DEV_SHIFT		44
#define COW_E_SECTOR_MASK	(COW_MAX_SECTORS - 1)

/* Or readers would see half of an entry. */
static_assert(sizeof(long) == sizeof(u64));

/* Bit 0 of a pointer to a group that is full. */
#define COW_FULL	1UL

#define COW_LEAF_SHIFT	(PAGE_SHIFT - ilog2(sizeof(void *)))
/* A table of 128 MiB: 8 PiB in chunks of 4 KiB. */
#define COW_MAX_LEAVES	BIT(24)

/**
 * struct cow_leaf - a page of the table
 * @groups: tagged, or NULL
 */
struct cow_leaf {
	void __rcu *groups[BIT(COW_LEAF_SHIFT)];
};

/**
 * struct cow_table - the way to the groups
 * @rcu: for readers that still look at it
 * @nr: leaves that the device can need
 * @leaves: those that it did need; they stay as long as the map
 *
 * Replaced as a whole when the device grows.
 */
struct cow_table {
	struct rcu_head rcu;
	unsigned long nr;
	struct cow_leaf __rcu *leaves[];
};

/**
 * struct cow_room - a group that may be needed
 * @rcu: of the group that it has replaced
 * @group: tagged; until it is needed the new one, then the old one
 */
struct cow_room {
	struct rcu_head rcu;
	void *group;
};

struct cow_thin {
	u16 nr;
	u16 room;
	u32 reserved;
	u64 entries[];
};

static u64 entry_make(unsigned int index, enum cow_state state, u32 dev,
		      u64 sector)
{
	return (u64)index << COW_E_INDEX_SHIFT |
	       (u64)state << COW_E_STATE_SHIFT |
	       (u64)dev << COW_E_DEV_SHIFT | sector;
}

static unsigned int entry_index(u64 entry)
{
	return entry >> COW_E_INDEX_SHIFT;
}

static enum cow_state entry_state(u64 entry)
{
	return (entry >> COW_E_STATE_SHIFT) & 0xf;
}

static u32 entry_dev(u64 entry)
{
	return (entry >> COW_E_DEV_SHIFT) & 0xff;
}

static u64 entry_sector(u64 entry)
{
	return entry & COW_E_SECTOR_MASK;
}

static u64 entry_in_state(u64 entry, enum cow_state state)
{
	return (entry & ~(0xfULL << COW_E_STATE_SHIFT)) |
	       (u64)state << COW_E_STATE_SHIFT;
}

static bool entry_has_place(u64 entry)
{
	return entry_state(entry) != COW_UNKNOWN &&
	       entry_state(entry) != COW_BARRED;
}

static bool is_full(const void *group)
{
	return (unsigned long)group & COW_FULL;
}

static u64 *full_entries(void *group)
{
	return (u64 *)((unsigned long)group & ~COW_FULL);
}

static void group_kfree(void *group)
{
	kfree((void *)((unsigned long)group & ~COW_FULL));
}

/* Under RCU, without preemption, or under ctx->lock, which stop RCU, too. */
#define map_dereference(ctx, p) \
	rcu_dereference_check(p, lockdep_is_held(&(ctx)->lock) || \
				 rcu_read_lock_sched_held())

/* The leaf that a chunk belongs to, or NULL. */
static inline struct cow_leaf *leaf_find(struct cow_ctx *ctx, u64 chunk)
{
	struct cow_table *table = map_dereference(ctx, ctx->map.table);
	u64 leaf = chunk >> (COW_GROUP_SHIFT + COW_LEAF_SHIFT);

	return leaf < table->nr ? map_dereference(ctx, table->leaves[leaf]) :
				  NULL;
}

static inline unsigned int leaf_index(u64 chunk)
{
	return (chunk >> COW_GROUP_SHIFT) & (BIT(COW_LEAF_SHIFT) - 1);
}

/* Where the pointer to the group of a chunk is; NULL without a leaf. */
static inline void __rcu **group_at(struct cow_ctx *ctx, u64 chunk)
{
	struct cow_leaf *leaf = leaf_find(ctx, chunk);

	return leaf ? &leaf->groups[leaf_index(chunk)] : NULL;
}

static inline void *group_find(struct cow_ctx *ctx, u64 chunk)
{
	struct cow_leaf *leaf = leaf_find(ctx, chunk);

	return leaf ? map_dereference(ctx, leaf->groups[leaf_index(chunk)]) :
		      NULL;
}

static u64 *thin_slot(void *group, unsigned int index)
{
	struct cow_thin *thin = group;
	unsigned int i, nr;

	/* Pairs with the release in thin_add(). */
	nr = smp_load_acquire(&thin->nr);
	for (i = 0; i < nr; i++) {
		if (entry_index(READ_ONCE(thin->entries[i])) == index)
			return &thin->entries[i];
	}
	return NULL;
}

/* The word that holds an index, or NULL where a thin group has none. */
static inline u64 *group_slot(void *group, unsigned int index)
{
	if (!group)
		return NULL;
	if (is_full(group))
		return full_entries(group) + index;
	return thin_slot(group, index);
}

static inline u64 group_entry(void *group, unsigned int index)
{
	u64 *slot;

	if (is_full(group))
		return READ_ONCE(full_entries(group)[index]);
	slot = group ? thin_slot(group, index) : NULL;
	return slot ? READ_ONCE(*slot) : 0;
}

static inline u64 map_entry(struct cow_ctx *ctx, u64 chunk)
{
	return group_entry(group_find(ctx, chunk), chunk & (COW_GROUP - 1));
}

static unsigned int full_gap(const u64 *slot, unsigned int max)
{
	unsigned int count;

	for (count = 0; count < max; count++) {
		if (entry_state(READ_ONCE(slot[count])))
			break;
	}
	return count;
}

static unsigned int thin_gap(const struct cow_thin *thin, unsigned int index,
			     unsigned int max)
{
	unsigned int i, nr;

	/* As in thin_slot(). */
	nr = smp_load_acquire(&thin->nr);
	for (i = 0; i < nr; i++) {
		u64 entry = READ_ONCE(thin->entries[i]);

		if (entry_state(entry) && entry_index(entry) >= index)
			max = min(max, entry_index(entry) - index);
	}
	return max;
}

/* Indices from index on, at most max, that have no entry. */
static unsigned int group_gap(void *group, unsigned int index,
			      unsigned int max)
{
	if (!group)
		return max;
	if (is_full(group))
		return full_gap(full_entries(group) + index, max);
	return thin_gap(group, index, max);
}

/* Chunks from chunk on, at most max, that have no entry. */
static u64 map_gap(struct cow_ctx *ctx, u64 chunk, u64 max)
{
	u64 at = chunk, end = chunk + max;

	while (at < end) {
		void *group = group_find(ctx, at);
		u64 group_end = min(end, (at | (COW_GROUP - 1)) + 1);

		at += group_gap(group, at & (COW_GROUP - 1), group_end - at);
		if (at < group_end)
			break;
	}
	return at - chunk;
}

/* Chunks from chunk on whose entries continue the first one. */
static u64 map_run(struct cow_ctx *ctx, u64 chunk, u64 max, u64 first)
{
	u64 count = 1, sector = entry_sector(first);

	for (; count < max; count++) {
		u64 entry = map_entry(ctx, chunk + count);

		sector += cow_chunk_sectors(ctx);
		if (entry_state(entry) != entry_state(first) ||
		    entry_dev(entry) != entry_dev(first) ||
		    entry_sector(entry) != sector)
			break;
	}
	return count;
}

static __always_inline bool full_continues(const u64 *slot, unsigned int more,
					   u64 first, u64 step)
{
	do {
		first += step;
		if (READ_ONCE(*++slot) != first)
			return false;
	} while (--more);
	return true;
}

/* As group_continues(), where that takes longer. */
static noinline bool thin_continues(void *group, unsigned int index,
				    unsigned int more, u64 first, u64 step)
{
	if (!entry_state(first))
		return group_gap(group, index, more + 1) > more;
	while (more--) {
		first += step;
		if (group_entry(group, ++index) != first)
			return false;
	}
	return true;
}

/*
 * Do chunks behind one in a group have what it has, in places that adjoin?  Most
 * accesses lie in one chunk.
 */
static __always_inline bool group_continues(void *group, unsigned int index,
					    unsigned int more, u64 first,
					    u64 step)
{
	if (is_full(group) && entry_state(first))
		return full_continues(full_entries(group) + index, more, first,
				      step);
	return thin_continues(group, index, more, first, step);
}

/*
 * Where a bio of a chunk and @more behind it, in one group, is read or, if
 * @write, written again; where that is one place, and all there is to know.  Only
 * a committed one will do for FUA, and a source may end before the bio does.
 */
static __always_inline bool map_find(struct cow_ctx *ctx, const struct bio *bio,
				     u64 chunk, unsigned int more, bool write,
				     struct block_device **bdev, u64 *sector)
{
	const struct cow_known *known = map_dereference(ctx, ctx->map.known);
	u64 offset = bio->bi_iter.bi_sector & (cow_chunk_sectors(ctx) - 1);
	unsigned int index = chunk & (COW_GROUP - 1);
	const struct cow_range *range;
	void *group;
	u64 entry;

	/* As in cow_map_lookup(); what the ranges say is looked at only later. */
	smp_rmb();
	group = group_find(ctx, chunk);
	entry = group_entry(group, index);
	if (unlikely(more) && group &&
	    !group_continues(group, index, more, entry,
			     entry_make(1, COW_UNKNOWN, 0,
					cow_chunk_sectors(ctx))))
		return false;
	if (entry_state(entry) == COW_COMMITTED ||
	    (entry_state(entry) == COW_PLACED && !(bio->bi_opf & REQ_FUA))) {
		*bdev = ctx->devs[entry_dev(entry)].bdev;
		*sector = entry_sector(entry) + offset;
		return true;
	}
	if (write || entry_state(entry))
		return false;
	range = cow_range_find(known, chunk);
	if (!range || range->dev == DM_COW_DEV_ZERO ||
	    range->end - chunk <= more)
		return false;
	*bdev = ctx->devs[range->dev].bdev;
	*sector = cow_range_sector(ctx, range, chunk) + offset;
	return *sector + bio_sectors(bio) <= bdev_nr_sectors(*bdev);
}

/**
 * cow_map - the map() of both targets
 * @ti: the line
 * @bio: the bio
 *
 * Most reads and writes lie in one chunk, whose place or source is known and
 * ends behind them; where chunks are small, in some that adjoin.  They go on at
 * a third of what cow_map_long() would take; it does all others.
 * Context: any.  What is done here takes no lock.
 * Return: DM_MAPIO_*.
 */
int cow_map(struct dm_target *ti, struct bio *bio)
{
	struct cow_ctx *ctx = ((struct cow_line *)ti->private)->ctx;
	u64 chunk = bio->bi_iter.bi_sector >> ctx->chunk_shift;
	u64 last = (bio_end_sector(bio) - 1) >> ctx->chunk_shift;
	bool write = bio_op(bio) == REQ_OP_WRITE, found;
	struct block_device *bdev;
	u64 sector;

	if ((!write && bio_op(bio) != REQ_OP_READ) || !bio_sectors(bio) ||
	    (bio->bi_opf & REQ_PREFLUSH) ||
	    (chunk ^ last) >> COW_GROUP_SHIFT ||
	    READ_ONCE(ctx->mode) != COW_MODE_RW)
		return cow_map_long(ti, bio);
	/* Without the two calls of rcu_read_lock(): it does not take long. */
	rcu_read_lock_sched();
	found = map_find(ctx, bio, chunk, last - chunk, write, &bdev, &sector);
	rcu_read_unlock_sched();
	if (!found)
		return cow_map_long(ti, bio);
	bio_set_dev(bio, bdev);
	bio->bi_iter.bi_sector = sector;
	return DM_MAPIO_REMAPPED;
}

/**
 * cow_map_lookup - what is known about a chunk and its successors
 * @ctx: the context
 * @chunk: the first chunk
 * @max: chunks that the answer may cover, at least one
 * @ext: the answer
 *
 * Context: any.  Takes no lock; under ctx->lock the answer stays true.
 */
void cow_map_lookup(struct cow_ctx *ctx, u64 chunk, u64 max,
		    struct cow_extent *ext)
{
	const struct cow_range *range;
	u64 entry;

	memset(ext, 0, sizeof(*ext));
	ext->count = 1;
	rcu_read_lock();
	range = cow_range_find(rcu_dereference(ctx->map.known), chunk);
	/* Ranges before places; pairs with the release in known_publish(). */
	smp_rmb();
	entry = map_entry(ctx, chunk);
	if (range) {
		ext->sourced = true;
		ext->source_dev = range->dev;
		ext->source_sector = cow_range_sector(ctx, range, chunk);
		max = min(max, range->end - chunk);
	}
	ext->barred = entry_state(entry) == COW_BARRED;
	if (entry_has_place(entry)) {
		ext->state = entry_state(entry);
		ext->dev = entry_dev(entry);
		ext->sector = entry_sector(entry);
		ext->count = map_run(ctx, chunk, max, entry);
	} else if (range) {
		ext->state = COW_NONE;
		ext->dev = ext->source_dev;
		ext->sector = ext->source_sector;
		/* Without ctx->lock it may just have got a place. */
		if (!ext->barred && max > 1)
			ext->count = max(1ULL, map_gap(ctx, chunk, max));
	}
	rcu_read_unlock();
}

/**
 * cow_map_has_place - was the chunk given a place?
 * @ctx: the context
 * @chunk: the chunk
 *
 * Context: any.  Takes no lock.
 */
bool cow_map_has_place(struct cow_ctx *ctx, u64 chunk)
{
	u64 entry;

	rcu_read_lock();
	entry = map_entry(ctx, chunk);
	rcu_read_unlock();
	return entry_has_place(entry);
}

static size_t thin_bytes(unsigned int room)
{
	return sizeof(struct cow_thin) + room * sizeof(u64);
}

static size_t group_bytes(void *group)
{
	struct cow_thin *thin;

	if (is_full(group))
		return COW_GROUP * sizeof(u64);
	thin = group;
	return thin_bytes(thin->room);
}

/*
 * A group with room for that many entries: 3, 15 or all of a thin one, or the full
 * one.  They fill kmalloc's sizes: 64 bytes a chunk when it just had to grow.
 */
static void *group_alloc(unsigned int entries, gfp_t gfp)
{
	struct cow_thin *thin;
	unsigned int room = 3;
	u64 *full;

	if (entries > COW_THIN_MAX) {
		full = kcalloc(COW_GROUP, sizeof(u64), gfp);
		return full ? (void *)((unsigned long)full | COW_FULL) : NULL;
	}
	while (room < entries)
		room = min(room * 4 + 3, COW_THIN_MAX);
	thin = kzalloc(thin_bytes(room), gfp);
	if (!thin)
		return NULL;
	thin->room = room;
	return thin;
}

/* Adds an entry that a thin group has room for and has not got. */
static u64 *thin_add(void *group, u64 entry)
{
	struct cow_thin *thin = group;
	u64 *slot = &thin->entries[thin->nr];

	WRITE_ONCE(*slot, entry);
	/* The entry before its number; pairs with the load in thin_slot(). */
	smp_store_release(&thin->nr, thin->nr + 1);
	return slot;
}

/* Sets an entry for which there is room.  Under ctx->lock, or unpublished. */
static void group_set(void *group, unsigned int index, u64 entry)
{
	u64 *slot = group_slot(group, index);

	if (slot)
		WRITE_ONCE(*slot, entry);
	else
		thin_add(group, entry);
}

/*
 * Carries all entries over to a group without any.  Only thin groups become too
 * small.  Under ctx->lock, which keeps their states.
 */
static void group_copy(void *to, void *from)
{
	struct cow_thin *thin = from;
	unsigned int i;

	for (i = 0; i < thin->nr; i++) {
		u64 entry = thin->entries[i];

		if (!entry_state(entry))
			continue;
		if (is_full(to))
			group_set(to, entry_index(entry), entry);
		else
			thin_add(to, entry);
	}
}

/* Indices of [first, end) that would need a new slot. */
static unsigned int group_needs(void *group, unsigned int first,
				unsigned int end)
{
	unsigned int needs = end - first, i, nr;
	struct cow_thin *thin = group;

	if (!group)
		return needs;
	if (is_full(group))
		return 0;
	/* As in thin_slot(). */
	nr = smp_load_acquire(&thin->nr);
	for (i = 0; i < nr; i++) {
		unsigned int index = entry_index(READ_ONCE(thin->entries[i]));

		needs -= index >= first && index < end;
	}
	return needs;
}

static unsigned int group_used(void *group)
{
	struct cow_thin *thin;

	if (!group || is_full(group))
		return 0;
	thin = group;
	return thin->nr;
}

static bool group_has_room(void *group, unsigned int needs)
{
	struct cow_thin *thin;

	if (!group)
		return false;
	if (is_full(group))
		return true;
	thin = group;
	return thin->nr + needs <= thin->room;
}

/* Slots of a group that chunks [chunk, end) will need, as far as in it. */
static unsigned int group_wants(void *group, u64 key, u64 chunk, u64 end)
{
	u64 first = max(chunk, key << COW_GROUP_SHIFT);

	end = min(end, (key + 1) << COW_GROUP_SHIFT);
	if (first >= end)
		return 0;
	return group_needs(group, first & (COW_GROUP - 1),
			   ((end - 1) & (COW_GROUP - 1)) + 1);
}

/* What the chunks need, and what was promised beside them. */
static unsigned int map_needs(struct cow_map *map, void *group, u64 chunk,
			      u64 end)
{
	u64 key = chunk >> COW_GROUP_SHIFT;
	u64 promise = READ_ONCE(map->promise);
	u64 promise_end = READ_ONCE(map->promise_end);
	unsigned int promised;

	if (group && is_full(group))
		return 0;
	promised = group_wants(group, key, promise, promise_end);
	if (chunk >= promise && end <= promise_end)
		return promised;
	return promised + group_wants(group, key, chunk, end);
}

static void room_free_rcu(struct rcu_head *rcu)
{
	struct cow_room *room = container_of(rcu, struct cow_room, rcu);

	group_kfree(room->group);
	kfree(room);
}

/**
 * cow_room_free - what was prepared is not needed, or not any more
 * @room: from cow_map_prepare(), NULL is fine
 */
void cow_room_free(struct cow_room *room)
{
	if (!room)
		return;
	group_kfree(room->group);
	kfree(room);
}

static struct cow_room *room_alloc(unsigned int entries, gfp_t gfp)
{
	struct cow_room *room = kmalloc(sizeof(*room), gfp);

	if (!room)
		return NULL;
	room->group = group_alloc(entries, gfp);
	if (!room->group) {
		kfree(room);
		return NULL;
	}
	return room;
}

/* Makes the leaf for a chunk, unless somebody else was faster. */
static int leaf_make(struct cow_ctx *ctx, u64 chunk, gfp_t gfp)
{
	unsigned long index = chunk >> (COW_GROUP_SHIFT + COW_LEAF_SHIFT);
	struct cow_leaf *leaf = (void *)get_zeroed_page(gfp);
	struct cow_table *table;
	unsigned long flags;

	if (!leaf)
		return -ENOMEM;
	spin_lock_irqsave(&ctx->lock, flags);
	table = map_dereference(ctx, ctx->map.table);
	if (!map_dereference(ctx, table->leaves[index])) {
		rcu_assign_pointer(table->leaves[index], leaf);
		atomic_long_add(sizeof(*leaf), &ctx->map.bytes);
		leaf = NULL;
	}
	spin_unlock_irqrestore(&ctx->lock, flags);
	free_page((unsigned long)leaf);
	return 0;
}

/**
 * cow_map_prepare - allocate what these chunks may need to get places
 * @ctx: the context
 * @chunk: first chunk
 * @count: chunks, all of one group
 * @room: what was allocated, NULL where it looks as if there were room
 * @gfp: how
 *
 * Context: without ctx->lock, so that it is a guess; see cow_map_make_room().
 * Return: 0 or -ENOMEM.
 */
int cow_map_prepare(struct cow_ctx *ctx, u64 chunk, u64 count,
		    struct cow_room **room, gfp_t gfp)
{
	unsigned int needs, used;
	bool leaf, enough;
	void *group;

	*room = NULL;
	rcu_read_lock();
	leaf = group_at(ctx, chunk);
	group = group_find(ctx, chunk);
	used = group_used(group);
	needs = map_needs(&ctx->map, group, chunk, chunk + count);
	enough = group_has_room(group, needs);
	rcu_read_unlock();
	if (enough)
		return 0;
	if (!leaf && leaf_make(ctx, chunk, gfp))
		return -ENOMEM;
	*room = room_alloc(used + needs, gfp);
	return *room ? 0 : -ENOMEM;
}

/**
 * cow_map_make_room - make sure that setting these chunks cannot fail
 * @ctx: the context; its lock is held
 * @chunk: first chunk
 * @count: chunks, all of one group
 * @room: what was prepared; taken if it is needed
 *
 * Return: false if it has to be prepared again: others were faster.
 */
bool cow_map_make_room(struct cow_ctx *ctx, u64 chunk, u64 count,
		       struct cow_room **room)
{
	void __rcu **at = group_at(ctx, chunk);
	void *old = at ? map_dereference(ctx, *at) : NULL, *new;
	struct cow_map *map = &ctx->map;
	unsigned int needs = map_needs(map, old, chunk, chunk + count);

	lockdep_assert_held(&ctx->lock);
	if (group_has_room(old, needs))
		return true;
	if (!at || !*room || !group_has_room((*room)->group, group_used(old) + needs))
		return false;
	new = (*room)->group;
	if (old)
		group_copy(new, old);
	rcu_assign_pointer(*at, new);
	atomic_long_add(group_bytes(new), &map->bytes);
	if (old) {
		atomic_long_sub(group_bytes(old), &map->bytes);
		(*room)->group = old;
		call_rcu(&(*room)->rcu, room_free_rcu);
	} else {
		kfree(*room);
	}
	*room = NULL;
	return true;
}

static int group_reserve(struct cow_ctx *ctx, u64 chunk, u64 count, gfp_t gfp)
{
	struct cow_room *room;
	bool made;
	int r;

	do {
		r = cow_map_prepare(ctx, chunk, count, &room, gfp);
		if (r)
			return r;
		spin_lock_irq(&ctx->lock);
		made = cow_map_make_room(ctx, chunk, count, &room);
		spin_unlock_irq(&ctx->lock);
		cow_room_free(room);
	} while (!made);
	return 0;
}

static void promise(struct cow_ctx *ctx, u64 chunk, u64 end)
{
	spin_lock_irq(&ctx->lock);
	WRITE_ONCE(ctx->map.promise, chunk);
	WRITE_ONCE(ctx->map.promise_end, end);
	spin_unlock_irq(&ctx->lock);
}

/**
 * cow_map_reserve - make room for places, so that setting them cannot fail
 * @ctx: the context; its control mutex is held
 * @chunk: first chunk
 * @count: chunks
 * @gfp: how to allocate
 *
 * The room is the caller's until it calls cow_map_release(), which it must also
 * after an error.
 * Context: process; may sleep.
 * Return: 0, -ENOMEM or -EINTR; then some room may have been made, nothing
 * else.
 */
int cow_map_reserve(struct cow_ctx *ctx, u64 chunk, u64 count, gfp_t gfp)
{
	u64 end = chunk + count;

	promise(ctx, chunk, end);
	while (chunk < end) {
		u64 group_end = min(end, (chunk | (COW_GROUP - 1)) + 1);
		int r = group_reserve(ctx, chunk, group_end - chunk, gfp);

		if (r)
			return r;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		chunk = group_end;
	}
	return 0;
}

/**
 * cow_map_release - what was reserved is set, or will not be
 * @ctx: the context; its control mutex is held
 */
void cow_map_release(struct cow_ctx *ctx)
{
	promise(ctx, 0, 0);
}

static inline void spot_find(struct cow_ctx *ctx, struct cow_spot *spot)
{
	void *group = group_find(ctx, spot->chunk);

	spot->group = group;
	spot->full = is_full(group);
	spot->slot = spot->full ? full_entries(group) +
				  (spot->chunk & (COW_GROUP - 1)) : NULL;
}

/* full_gap() of a group that is not full. */
static unsigned int spot_gap(struct cow_spot *spot, unsigned int max)
{
	unsigned int index = spot->chunk & (COW_GROUP - 1);

	spot->slot = group_slot(spot->group, index);
	if (spot->slot && entry_state(*spot->slot))
		return 0;
	return max == 1 ? 1 : group_gap(spot->group, index, max);
}

/**
 * cow_map_vacant - chunks that have no place and a source
 * @ctx: the context; its lock is held
 * @chunk: first chunk
 * @max: chunks at most
 * @spot: where they are; good until the lock is released
 *
 * Chunks behind a range that must not be served from it are not among them.
 * Return: false if the first chunk is no such chunk.
 */
bool cow_map_vacant(struct cow_ctx *ctx, u64 chunk, u64 max,
		    struct cow_spot *spot)
{
	const struct cow_range *range;

	lockdep_assert_held(&ctx->lock);
	range = cow_range_find(map_dereference(ctx, ctx->map.known), chunk);
	if (!range)
		return false;
	max = min3(max, range->end - chunk, cow_map_group_rest(chunk));
	spot->chunk = chunk;
	spot_find(ctx, spot);
	spot->count = spot->full ? full_gap(spot->slot, max) :
				   spot_gap(spot, max);
	return spot->count;
}

/* May one entry be added to a group that is not full? */
static bool thin_has_room(struct cow_ctx *ctx, const struct cow_spot *spot)
{
	const struct cow_thin *thin = spot->group;
	struct cow_map *map = &ctx->map;

	return thin && thin->nr + group_wants(spot->group,
					      spot->chunk >> COW_GROUP_SHIFT,
					      map->promise, map->promise_end) <
		       thin->room;
}

/**
 * __cow_map_spot_room - make sure that filling the spot cannot fail
 * @ctx: the context; its lock is held
 * @spot: from cow_map_vacant()
 * @room: as in cow_map_make_room()
 *
 * Return: false if it has to be prepared again.
 */
bool __cow_map_spot_room(struct cow_ctx *ctx, struct cow_spot *spot,
			 struct cow_room **room)
{
	if (spot->full || (spot->count == 1 && thin_has_room(ctx, spot)))
		return true;
	if (!cow_map_make_room(ctx, spot->chunk, spot->count, room))
		return false;
	/* Entries that say nothing do not come along. */
	if (group_find(ctx, spot->chunk) != spot->group)
		spot_find(ctx, spot);
	return true;
}

/* Entries of chunks of a span, from the one of the spot on. */
static void spot_fill(struct cow_ctx *ctx, const struct cow_spot *spot,
		      const struct cow_span *span, enum cow_state state)
{
	unsigned int index = spot->chunk & (COW_GROUP - 1);
	u64 skip = spot->chunk - span->chunk, i;
	u64 entry = entry_make(index, state, span->dev,
			       span->sector + (skip << ctx->chunk_shift));
	/* From one to the next: index and sector. */
	u64 step = entry_make(1, 0, 0, cow_chunk_sectors(ctx));

	for (i = 0; i < spot->count; i++, entry += step) {
		if (spot->full)
			WRITE_ONCE(spot->slot[i], entry);
		else
			group_set(spot->group, index + i, entry);
	}
}

/**
 * cow_map_begin - vacant chunks are copying
 * @ctx: the context; its lock is held
 * @spot: where they are, from cow_map_vacant(), with room
 * @span: the span of which it is all
 */
void cow_map_begin(struct cow_ctx *ctx, struct cow_spot *spot,
		   const struct cow_span *span)
{
	u64 entry;

	lockdep_assert_held(&ctx->lock);
	if (spot->count > 1) {
		spot_fill(ctx, spot, span, COW_COPYING);
		return;
	}
	entry = entry_make(spot->chunk & (COW_GROUP - 1), COW_COPYING,
			   span->dev, span->sector);
	if (spot->slot)
		WRITE_ONCE(*spot->slot, entry);
	else
		spot->slot = thin_add(spot->group, entry);
}

/* Is the entry where it was, though the lock was released? */
static bool spot_stays(struct cow_ctx *ctx, const struct cow_spot *spot)
{
	if (spot->full || spot->count > 1)
		return spot->full;
	/* Another group in its memory may have another entry there. */
	return group_find(ctx, spot->chunk) == spot->group &&
	       entry_state(*spot->slot) == COW_COPYING &&
	       entry_index(*spot->slot) == (spot->chunk & (COW_GROUP - 1));
}

/**
 * cow_map_arrived - chunks that were copying are placed
 * @ctx: the context; its lock is held
 * @spot: as cow_map_begin() left it
 * @span: the same
 */
void cow_map_arrived(struct cow_ctx *ctx, struct cow_spot *spot,
		     const struct cow_span *span)
{
	u64 *slot = spot->slot, *end = slot + spot->count;

	lockdep_assert_held(&ctx->lock);
	if (!spot_stays(ctx, spot)) {
		cow_map_set(ctx, span, COW_PLACED);
		return;
	}
	do {
		WRITE_ONCE(*slot, entry_in_state(*slot, COW_PLACED));
	} while (++slot < end);
}

/**
 * cow_map_set - change the state of all chunks of a span
 * @ctx: the context; its lock is held
 * @span: the span, for which room was reserved
 * @state: the new state; COW_UNKNOWN takes the entries away
 */
void cow_map_set(struct cow_ctx *ctx, const struct cow_span *span,
		 enum cow_state state)
{
	u64 end = span->chunk + span->count;
	struct cow_spot spot;

	lockdep_assert_held(&ctx->lock);
	for (spot.chunk = span->chunk; spot.chunk < end;
	     spot.chunk += spot.count) {
		spot.count = min(end - spot.chunk,
				 cow_map_group_rest(spot.chunk));
		spot_find(ctx, &spot);
		spot_fill(ctx, &spot, span, state);
	}
}

/**
 * cow_map_commit - chunks that were placed are committed
 * @ctx: the context; its lock is held
 * @span: their span
 */
void cow_map_commit(struct cow_ctx *ctx, const struct cow_span *span)
{
	u64 *slot;

	lockdep_assert_held(&ctx->lock);
	if (span->count > 1) {
		cow_map_set(ctx, span, COW_COMMITTED);
		return;
	}
	slot = group_slot(group_find(ctx, span->chunk),
			  span->chunk & (COW_GROUP - 1));
	WRITE_ONCE(*slot, entry_in_state(*slot, COW_COMMITTED));
}

/**
 * cow_map_leads_to - is this the place of a chunk, and not committed?
 * @ctx: the context; its lock is held
 * @chunk: the chunk
 * @dev: device of the place
 * @sector: the place
 */
bool cow_map_leads_to(struct cow_ctx *ctx, u64 chunk, u32 dev, u64 sector)
{
	u64 entry = map_entry(ctx, chunk);

	lockdep_assert_held(&ctx->lock);
	return (entry_state(entry) == COW_COPYING ||
		entry_state(entry) == COW_PLACED) &&
	       entry_dev(entry) == dev && entry_sector(entry) == sector;
}

/**
 * cow_map_may_map - may these chunks be told as committed?
 * @ctx: the context; its control mutex is held
 * @r: the MAP record, whose ranges were checked
 *
 * Return: 0, -EEXIST where a chunk is known to be elsewhere, or -EINTR when
 * the caller is being killed.
 */
int cow_map_may_map(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	struct cow_extent ext;
	u64 done;

	for (done = 0; done < r->count; done += ext.count) {
		u64 sector = r->sector + (done << ctx->chunk_shift);

		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		/* A group's worth at a time: a lookup does not sleep. */
		cow_map_lookup(ctx, r->chunk + done,
			       min_t(u64, r->count - done, COW_GROUP), &ext);
		if (ext.state == COW_UNKNOWN)
			continue;
		if (ext.state < COW_PLACED || ext.dev != r->device ||
		    ext.sector != sector)
			return -EEXIST;
	}
	return 0;
}

/**
 * cow_map_commit_range - set chunks committed that have no entry
 * @ctx: the context; its control mutex is held
 * @r: the MAP record, which cow_map_may_map() has allowed
 */
void cow_map_commit_range(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	struct cow_span one = { .count = 1, .dev = r->device };
	u64 i;

	for (i = 0; i < r->count; i++) {
		one.chunk = r->chunk + i;
		one.sector = r->sector + (i << ctx->chunk_shift);
		spin_lock_irq(&ctx->lock);
		if (!entry_has_place(map_entry(ctx, one.chunk))) {
			cow_map_set(ctx, &one, COW_COMMITTED);
			ctx->stat.placed++;
		}
		spin_unlock_irq(&ctx->lock);
		cond_resched();
	}
}

/* Takes committed entries away; true when nothing is left. */
static bool group_forget(struct cow_ctx *ctx, void *group)
{
	unsigned int index, left = 0;

	spin_lock_irq(&ctx->lock);
	for (index = 0; index < COW_GROUP; index++) {
		u64 *slot = group_slot(group, index);

		if (!slot || !entry_state(*slot))
			continue;
		if (entry_state(*slot) == COW_COMMITTED)
			ctx->stat.placed--;
		else if (entry_state(*slot) != COW_BARRED)
			left++;
		if (entry_state(*slot) >= COW_COMMITTED)
			WRITE_ONCE(*slot, entry_make(index, COW_UNKNOWN, 0, 0));
	}
	spin_unlock_irq(&ctx->lock);
	return !left;
}

static void leaf_forget(struct cow_ctx *ctx, struct cow_leaf *leaf)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(leaf->groups); i++) {
		void *group = rcu_dereference_protected(leaf->groups[i], true);

		if (!group)
			continue;
		cond_resched();
		if (!group_forget(ctx, group))
			continue;
		RCU_INIT_POINTER(leaf->groups[i], NULL);
		atomic_long_sub(group_bytes(group), &ctx->map.bytes);
		group_kfree(group);
	}
}

/**
 * cow_map_forget - the last line is gone: keep only what is not committed
 * @ctx: the context; its control mutex is held, nobody looks anything up
 */
void cow_map_forget(struct cow_ctx *ctx)
{
	struct cow_table *table;
	unsigned long i;

	cow_known_forget(ctx);
	table = rcu_dereference_protected(ctx->map.table, true);
	for (i = 0; i < table->nr; i++) {
		struct cow_leaf *leaf;

		leaf = rcu_dereference_protected(table->leaves[i], true);
		if (leaf)
			leaf_forget(ctx, leaf);
		cond_resched();
	}
}

static u64 leaves_for(const struct cow_ctx *ctx, u64 sectors)
{
	return ((sectors - 1) >> ctx->chunk_shift >> COW_GROUP_SHIFT >>
		COW_LEAF_SHIFT) + 1;
}

/**
 * cow_map_grow - make the map fit for a device of this size
 * @ctx: the context; cow_registry is held
 * @sectors: of the device
 *
 * Return: 0, -ENOMEM, or -EFBIG for more chunks than a map may have.
 */
int cow_map_grow(struct cow_ctx *ctx, u64 sectors)
{
	u64 nr = leaves_for(ctx, sectors);
	struct cow_map *map = &ctx->map;
	struct cow_table *old, *new;

	old = rcu_dereference_protected(map->table,
					lockdep_is_held(&cow_registry));
	if (old && nr <= old->nr)
		return 0;
	if (nr > COW_MAX_LEAVES)
		return -EFBIG;
	new = kvzalloc(struct_size(new, leaves, nr), GFP_KERNEL | __GFP_NOWARN);
	if (!new)
		return -ENOMEM;
	new->nr = nr;
	spin_lock_irq(&ctx->lock);
	if (old)
		memcpy(new->leaves, old->leaves,
		       old->nr * sizeof(old->leaves[0]));
	rcu_assign_pointer(map->table, new);
	spin_unlock_irq(&ctx->lock);
	atomic_long_add(struct_size(new, leaves, nr), &map->bytes);
	if (old) {
		atomic_long_sub(struct_size(old, leaves, old->nr), &map->bytes);
		kvfree_rcu(old, rcu);
	}
	return 0;
}

static void leaf_free(struct cow_leaf *leaf)
{
	unsigned int i;

	if (!leaf)
		return;
	for (i = 0; i < ARRAY_SIZE(leaf->groups); i++)
		group_kfree(rcu_dereference_protected(leaf->groups[i], true));
	free_page((unsigned long)leaf);
}

/**
 * cow_map_destroy - free all of it
 * @map: the map, which nobody uses any more
 */
void cow_map_destroy(struct cow_map *map)
{
	struct cow_table *table = rcu_dereference_protected(map->table, true);
	unsigned long i;

	for (i = 0; table && i < table->nr; i++)
		leaf_free(rcu_dereference_protected(table->leaves[i], true));
	kvfree(table);
	kvfree(rcu_dereference_protected(map->known, true));
}
