// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-cow: accesses that wait for the controller.
 *
 * map() sends what it can and holds the rest.  A held access begins a fault
 * or joins the one that covers its chunk:
 *
 *   ctx->asking --read--> ctx->asked --PLACE--> ctx->ready (dm-cow-copy.c)
 *        ^                   |   |
 *        +---controller left-+   +--HOLD--> ctx->held --RETRY--> ctx->asking
 *
 * Writes that the copy can merge wait in fault->ios.  Everything else, that
 * is reads, writes that came when the copy ran already, and writes on top
 * of a full fault, waits in fault->late and is mapped again when the fault
 * ends.  What may be mapped again is cut to one chunk when it is held, for then
 * it is of one state whatever that will be, and need not be cut later.
 *
 * A first write whose places were granted (dm-cow-grant.c) is a fault that needs
 * no answer: it begins in ctx->ready or, where map() starts its copy itself,
 * in ctx->busy.  Where nothing has to be copied it is no fault at all
 * (dm-cow-direct.c), and who comes in between waits there.
 *
 * A fault lives in the per-bio data of its leader, so none of this allocates
 * memory and none of it depends on what the controller does with its own.
 */
#include <linux/blkdev.h>
#include <linux/hashtable.h>
#include <linux/slab.h>

#include "dm-cow.h"

/* Not a DM_MAPIO_*: the chunk has changed, look again. */
#define COW_AGAIN	(-EAGAIN)
/* Nor these: its places are given, start the copy outside the lock. */
#define COW_COPY	1024
/* No places are granted to it (DM_MAPIO_SUBMITTED is 0). */
#define COW_ASK		1025

static struct kmem_cache *cow_run_cache;

struct cow_run *cow_run_alloc(gfp_t gfp)
{
	struct cow_run *run = kmem_cache_alloc(cow_run_cache, gfp);

	if (run) {
		*run = (struct cow_run) {};
		INIT_LIST_HEAD(&run->notice);
	}
	return run;
}

void cow_run_free(struct cow_run *run)
{
	kmem_cache_free(cow_run_cache, run);
}

static u64 io_chunk(const struct cow_io *io)
{
	return io->sector >> io->ctx->chunk_shift;
}

/* Chunks that the bio touches. */
static u64 io_chunks(struct cow_io *io)
{
	u64 last = io->sector + bio_sectors(cow_io_bio(io)) - 1;

	return (last >> io->ctx->chunk_shift) - io_chunk(io) + 1;
}

/*
 * Cuts the bio to so many chunks.  Only map() may do so; accesses that are
 * mapped again are short enough already.
 */
static void io_clip(struct cow_io *io, u64 chunks)
{
	struct cow_ctx *ctx = io->ctx;
	struct bio *bio = cow_io_bio(io);
	u64 end = (io_chunk(io) + chunks) << ctx->chunk_shift;

	if (io->sector + bio_sectors(bio) > end)
		dm_accept_partial_bio(bio, end - io->sector);
	io->sectors = bio_sectors(bio);
}

static int io_zero(struct bio *bio)
{
	zero_fill_bio(bio);
	bio_endio(bio);
	return DM_MAPIO_SUBMITTED;
}

static int io_remap(struct cow_io *io, u32 dev, u64 sector)
{
	struct cow_ctx *ctx = io->ctx;
	struct bio *bio = cow_io_bio(io);

	bio_set_dev(bio, ctx->devs[dev].bdev);
	bio->bi_iter.bi_sector = sector +
				 (io->sector & (cow_chunk_sectors(ctx) - 1));
	return DM_MAPIO_REMAPPED;
}

/* A source may end before the chunk does: zeros behind it.  No place does. */
static int io_source(struct cow_io *io, u32 dev, u64 sector)
{
	struct cow_ctx *ctx = io->ctx;
	struct bio *bio = cow_io_bio(io);
	u64 at = sector + (io->sector & (cow_chunk_sectors(ctx) - 1));
	u64 size;

	if (dev == DM_COW_DEV_ZERO)
		return io_zero(bio);
	size = cow_source_sectors(&ctx->devs[dev]);
	if (at >= size)
		return io_zero(bio);
	if (at + io->sectors > size) {
		zero_fill_bio(bio);
		bio->bi_iter.bi_size = (size - at) << SECTOR_SHIFT;
	}
	return io_remap(io, dev, sector);
}

static bool io_is_write(struct cow_io *io)
{
	return op_is_write(bio_op(cow_io_bio(io)));
}

/* Can the access go where the extent says, or must it wait? */
static bool is_direct(struct cow_io *io, const struct cow_extent *ext)
{
	switch (ext->state) {
	case COW_COMMITTED:
		return true;
	case COW_PLACED:
		return !(io_is_write(io) &&
			 (cow_io_bio(io)->bi_opf & REQ_FUA));
	case COW_COPYING:
		return !io_is_write(io) && ext->sourced;
	case COW_NONE:
		return !io_is_write(io);
	default:
		return false;
	}
}

/* Sends the bio, or as much of it as the extent covers, to a device. */
static int io_direct(struct cow_io *io, const struct cow_extent *ext)
{
	io_clip(io, ext->count);
	switch (ext->state) {
	case COW_COPYING:
		return io_source(io, ext->source_dev, ext->source_sector);
	case COW_NONE:
		return io_source(io, ext->dev, ext->sector);
	default:
		return io_remap(io, ext->dev, ext->sector);
	}
}

/* The fault that covers a chunk; else NULL and in next the one behind it. */
static struct cow_fault *fault_find(struct cow_ctx *ctx, u64 chunk,
				    struct cow_fault **next)
{
	struct rb_node *node = ctx->faults.rb_node;

	*next = NULL;
	while (node) {
		struct cow_fault *fault;

		fault = rb_entry(node, struct cow_fault, node);
		if (chunk < fault->chunk) {
			*next = fault;
			node = node->rb_left;
		} else if (chunk >= fault->chunk + fault->count) {
			node = node->rb_right;
		} else {
			return fault;
		}
	}
	return NULL;
}

static void fault_insert(struct cow_ctx *ctx, struct cow_fault *fault)
{
	struct rb_node **link = &ctx->faults.rb_node, *parent = NULL;

	while (*link) {
		struct cow_fault *other;

		parent = *link;
		other = rb_entry(parent, struct cow_fault, node);
		link = fault->chunk < other->chunk ? &parent->rb_left :
						     &parent->rb_right;
	}
	rb_link_node(&fault->node, parent, link);
	rb_insert_color(&fault->node, &ctx->faults);
}

/**
 * cow_fault_gap - chunks that no fault covers
 * @ctx: the context; its lock is held
 * @chunk: first chunk
 * @max: chunks at most
 *
 * Return: how many from the first on.
 */
u64 cow_fault_gap(struct cow_ctx *ctx, u64 chunk, u64 max)
{
	struct cow_fault *next;

	if (fault_find(ctx, chunk, &next))
		return 0;
	return next ? min(max, next->chunk - chunk) : max;
}

/* Sorted by sector; writes mostly come in order, so look from the end. */
static void fault_merge(struct cow_fault *fault, struct cow_io *io)
{
	struct cow_io *before;

	fault->nr_ios++;
	list_for_each_entry_reverse(before, &fault->ios, list) {
		if (before->sector <= io->sector) {
			list_add(&io->list, &before->list);
			return;
		}
	}
	list_add(&io->list, &fault->ios);
}

static void fault_join(struct cow_fault *fault, struct cow_io *io)
{
	if (io_is_write(io) && fault->write && !fault->started &&
	    fault->nr_ios < COW_MAX_MERGE) {
		io_clip(io, fault->chunk + fault->count - io_chunk(io));
		fault_merge(fault, io);
		return;
	}
	io_clip(io, 1);
	list_add_tail(&io->list, &fault->late);
}

/**
 * cow_fault_make - a fault that is in no queue yet
 * @io: its leader
 * @count: chunks; none of them is in another fault
 *
 * Context: under ctx->lock.
 * Return: the fault.
 */
struct cow_fault *cow_fault_make(struct cow_io *io, u64 count)
{
	struct cow_ctx *ctx = io->ctx;
	struct cow_fault *fault = &io->fault;

	io_clip(io, count);
	INIT_HLIST_NODE(&fault->by_id);
	INIT_LIST_HEAD(&fault->ios);
	INIT_LIST_HEAD(&fault->late);
	INIT_LIST_HEAD(&fault->runs);
	fault->id = ++ctx->next_id;
	fault->chunk = io_chunk(io);
	fault->count = count;
	fault->answered = 0;
	fault->born = jiffies;
	fault->nr_ios = 0;
	fault->write = io_is_write(io);
	fault->unknown = false;
	fault->started = false;
	fault->peeked = false;
	fault->copies = 0;
	fault->skipped = 0;
	fault->cursor = fault->chunk << ctx->chunk_shift;
	if (fault->write)
		fault_merge(fault, io);
	else
		list_add_tail(&io->list, &fault->late);
	fault_insert(ctx, fault);
	ctx->stat.outstanding++;
	return fault;
}

static void fault_begin(struct cow_ctx *ctx, struct cow_io *io,
			enum cow_state state, u64 count)
{
	struct cow_fault *fault = cow_fault_make(io, count);

	fault->unknown = state == COW_UNKNOWN;
	hash_add(ctx->fault_ids, &fault->by_id, fault->id);
	list_add_tail(&fault->queue, &ctx->asking);
	wake_up_interruptible(&ctx->wait);
}

/* The worker maps it again, one chunk of it. */
static int hold_redo(struct cow_io *io)
{
	io_clip(io, 1);
	list_add_tail(&io->list, &io->ctx->redo);
	cow_queue(io->ctx);
	return DM_MAPIO_SUBMITTED;
}

/* What is in no fault is a write on its way to its place (dm-cow-direct.c). */
static int hold_behind(struct cow_io *io)
{
	struct cow_direct *direct = __cow_direct_find(io->ctx, io_chunk(io));

	if (WARN_ON_ONCE(!direct))
		return DM_MAPIO_KILL;
	io_clip(io, 1);
	list_add_tail(&io->list, &direct->late);
	return DM_MAPIO_SUBMITTED;
}

/* A FUA write to a place that is not committed waits for the commit. */
static int hold_fua(struct cow_io *io, bool in_map)
{
	if (in_map)
		return hold_redo(io);
	io_clip(io, 1);
	return COW_AGAIN;
}

/* A first write takes its places from a grant, or must ask: COW_ASK. */
static int grant_begin(struct cow_io *io, const struct cow_extent *ext,
		       struct cow_spare *spare, bool in_map)
{
	struct cow_ctx *ctx = io->ctx;
	struct cow_run *run = spare->run;
	struct cow_fault *fault;
	int count;

	count = __cow_grant_take(ctx, io_chunk(io), ext, spare);
	/* The worker may wait for memory a little. */
	if (count == -ENOMEM && in_map)
		return hold_redo(io);
	if (count <= 0)
		return count == -EAGAIN ? COW_AGAIN : COW_ASK;
	fault = cow_fault_make(io, count);
	fault->answered = count;
	fault->started = true;
	atomic_set(&fault->pending, 1);
	run->fault = fault;
	list_add_tail(&run->in_fault, &fault->runs);
	ctx->nr_started++;
	if (cow_copy_is_short(io)) {
		list_add_tail(&fault->queue, &ctx->busy);
		return COW_COPY;
	}
	list_add_tail(&fault->queue, &ctx->ready);
	cow_queue(ctx);
	return DM_MAPIO_SUBMITTED;
}

static int __hold(struct cow_io *io, struct cow_extent *ext,
		  struct cow_spare *spare, bool in_map)
{
	struct cow_ctx *ctx = io->ctx;
	struct cow_fault *fault, *next;
	int r;

	lockdep_assert_held(&ctx->lock);
	if (cow_pushback(io))
		return DM_MAPIO_REQUEUE;
	if (ctx->gone)
		return DM_MAPIO_KILL;
	/* The step down the ladder ends what is held, so nothing may follow. */
	if (ctx->mode != COW_MODE_RW && io_is_write(io))
		return DM_MAPIO_KILL;
	/* Nothing changes under the lock, so this answer holds. */
	cow_map_lookup(ctx, io_chunk(io),
		       min_t(u64, io_chunks(io), COW_MAX_FAULT), ext);
	if (is_direct(io, ext))
		return COW_AGAIN;
	if (ext->state == COW_PLACED)
		return ctx->expired ? DM_MAPIO_KILL : hold_fua(io, in_map);
	fault = fault_find(ctx, io_chunk(io), &next);
	if (!fault && ext->state == COW_COPYING)
		return hold_behind(io);
	if (!fault) {
		if (next)
			ext->count = min(ext->count,
					 next->chunk - io_chunk(io));
		if (ext->state == COW_NONE && spare->wanted) {
			r = grant_begin(io, ext, spare, in_map);
			if (r != COW_ASK)
				return r;
		}
	}
	/* What is being copied needs nobody any more. */
	if (ctx->expired && !(fault && fault->started))
		return DM_MAPIO_KILL;
	if (fault) {
		fault_join(fault, io);
		return DM_MAPIO_SUBMITTED;
	}
	fault_begin(ctx, io, ext->state, ext->count);
	return DM_MAPIO_SUBMITTED;
}

/* Without waiting in map(); the worker may, but not for a cleaner page. */
static gfp_t spare_gfp(bool in_map)
{
	return in_map ? COW_GFP_MAP_IO :
			GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN;
}

static int hold(struct cow_io *io, struct cow_extent *ext,
		struct cow_spare *spare, bool in_map)
{
	struct cow_ctx *ctx = io->ctx;
	unsigned long flags;
	int r;

	if (ext->state == COW_NONE)
		cow_grant_prepare(ctx, io_chunk(io), ext->count, spare,
				  spare_gfp(in_map));
	spin_lock_irqsave(&ctx->lock, flags);
	r = __hold(io, ext, spare, in_map);
	spin_unlock_irqrestore(&ctx->lock, flags);
	cow_grant_unprepare(spare, r != COW_AGAIN);
	return r;
}

/*
 * Is it enough to look under ctx->lock?  A write of one chunk that cow_map() has left
 * over mostly has to wait, and where nothing is granted nothing is prepared for that.
 */
static bool just_waits(struct cow_io *io, bool in_map)
{
	return in_map && io_is_write(io) && io_chunks(io) == 1 &&
	       !cow_grant_any(io->ctx);
}

/* Looks where an access belongs, without ctx->lock, and sends it; or COW_AGAIN. */
static int look_and_send(struct cow_io *io, struct cow_extent *ext, bool in_map)
{
	cow_map_lookup(io->ctx, io_chunk(io), io_chunks(io), ext);
	if (is_direct(io, ext))
		return io_direct(io, ext);
	if (in_map || ext->state != COW_PLACED)
		return COW_AGAIN;
	cow_fua_io(io, ext->dev, ext->sector);
	return DM_MAPIO_SUBMITTED;
}

/**
 * cow_map_io - send an access where it belongs, or hold it
 * @io: the access, with ctx and sector set
 * @in_map: called from map(): must not sleep, may cut the bio
 *
 * Return: DM_MAPIO_*; with DM_MAPIO_SUBMITTED the bio is not ours any more.
 */
int cow_map_io(struct cow_io *io, bool in_map)
{
	struct cow_ctx *ctx = io->ctx;
	struct cow_extent ext = { .state = COW_UNKNOWN };
	bool look = !just_waits(io, in_map);
	struct cow_spare spare = {};
	int r;

	for (;; look = true) {
		enum cow_mode mode = READ_ONCE(ctx->mode);

		if (mode == COW_MODE_FAIL ||
		    (mode == COW_MODE_RO && io_is_write(io))) {
			r = DM_MAPIO_KILL;
			break;
		}
		r = look ? look_and_send(io, &ext, in_map) : COW_AGAIN;
		if (r != COW_AGAIN)
			break;
		r = hold(io, &ext, &spare, in_map);
		if (r == COW_COPY) {
			cow_copy_granted(io);
			return DM_MAPIO_SUBMITTED;
		}
		if (r != COW_AGAIN)
			return r;
	}
	cow_grant_unprepare(&spare, true);
	return r;
}

/**
 * cow_end_ios - complete accesses
 * @ios: a private list of them
 * @status: of all
 */
void cow_end_ios(struct list_head *ios, blk_status_t status)
{
	struct cow_io *io, *next;

	list_for_each_entry_safe(io, next, ios, list) {
		struct bio *bio = cow_io_bio(io);

		list_del(&io->list);
		bio->bi_status = status;
		bio_endio(bio);
	}
}

static void redo_one(struct cow_io *io)
{
	struct bio *bio = cow_io_bio(io);

	switch (cow_map_io(io, false)) {
	case DM_MAPIO_REMAPPED:
		submit_bio_noacct(bio);
		break;
	case DM_MAPIO_REQUEUE:
		bio->bi_status = BLK_STS_DM_REQUEUE;
		bio_endio(bio);
		break;
	case DM_MAPIO_KILL:
		bio_io_error(bio);
		break;
	default:
		break;
	}
}

/**
 * cow_redo - the worker maps again what waited for something
 * @ctx: the context
 */
void cow_redo(struct cow_ctx *ctx)
{
	struct blk_plug plug;
	struct cow_io *io, *next;
	LIST_HEAD(ios);

	spin_lock_irq(&ctx->lock);
	list_splice_init(&ctx->redo, &ios);
	spin_unlock_irq(&ctx->lock);
	blk_start_plug(&plug);
	list_for_each_entry_safe(io, next, &ios, list) {
		list_del(&io->list);
		redo_one(io);
		cond_resched();
	}
	blk_finish_plug(&plug);
}

/* Takes an answer back: the chunks are what they were before. */
static void __run_drop(struct cow_ctx *ctx, struct cow_run *run)
{
	cow_map_set(ctx, &run->at, COW_UNKNOWN);
	__cow_place_erase(ctx, run);
	__cow_journal_unclaim(ctx);
	list_del(&run->in_fault);
	list_del(&run->list);
	list_del(&run->notice);
	cow_run_free(run);
}

/* Ends a fault that is not started; its accesses go to the caller. */
static void __fault_dissolve(struct cow_ctx *ctx, struct cow_fault *fault,
			     struct list_head *ios, struct list_head *late)
{
	struct cow_run *run, *next;

	list_for_each_entry_safe(run, next, &fault->runs, in_fault)
		__run_drop(ctx, run);
	rb_erase(&fault->node, &ctx->faults);
	hash_del(&fault->by_id);
	list_del(&fault->queue);
	ctx->stat.outstanding--;
	/* The leader is in one of them, and the fault with it. */
	list_splice_tail_init(&fault->late, late);
	list_splice_tail_init(&fault->ios, ios);
}

static struct cow_fault *__first_waiting(struct cow_ctx *ctx)
{
	struct list_head *queues[] = { &ctx->asking, &ctx->asked, &ctx->held };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		if (!list_empty(queues[i]))
			return list_first_entry(queues[i], struct cow_fault,
						queue);
	}
	return NULL;
}

static void __release_late(struct cow_ctx *ctx, struct list_head *ios)
{
	struct list_head *queues[] = { &ctx->ready, &ctx->starved, &ctx->busy };
	struct cow_fault *fault;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		list_for_each_entry(fault, queues[i], queue)
			list_splice_tail_init(&fault->late, ios);
	}
	__cow_direct_release(ctx, ios);
	list_splice_tail_init(&ctx->redo, ios);
	list_splice_tail_init(&ctx->flush_new, ios);
	list_splice_tail_init(&ctx->flush_commit, ios);
}

/**
 * cow_release_held - end everything that waits for the controller
 * @ctx: the context
 * @status: BLK_STS_DM_REQUEUE during a noflush suspend, else an error
 *
 * Copies that run end by themselves.  The caller has set the flag that lets
 * nothing new be held.
 * Context: process; may sleep.
 */
void cow_release_held(struct cow_ctx *ctx, blk_status_t status)
{
	struct cow_fault *fault;
	LIST_HEAD(ios);

	do {
		unsigned int batch = 0;

		spin_lock_irq(&ctx->lock);
		while ((fault = __first_waiting(ctx)) && batch++ < 64)
			__fault_dissolve(ctx, fault, &ios, &ios);
		if (!fault && (ctx->gone || status == BLK_STS_DM_REQUEUE))
			__release_late(ctx, &ios);
		else if (!fault)
			/* Whoever waits for a copy or the worker sees then. */
			list_splice_tail_init(&ctx->flush_commit, &ios);
		spin_unlock_irq(&ctx->lock);
		cow_end_ios(&ios, status);
		cond_resched();
	} while (fault);
}

/* Write faults without a whole answer, from one queue; true if some are left. */
static bool __dissolve_writes(struct cow_ctx *ctx, struct list_head *queue,
			      struct list_head *failed)
{
	struct cow_fault *fault, *next;
	unsigned int batch = 0;

	list_for_each_entry_safe(fault, next, queue, queue) {
		if (!fault->write)
			continue;
		if (batch++ == 64)
			return true;
		/* What waits behind the writes asks for itself. */
		__fault_dissolve(ctx, fault, failed, &ctx->redo);
	}
	return false;
}

/**
 * cow_fail_writes - the device is not writable any more: first writes end
 * @ctx: the context
 *
 * Nobody would answer them with a place.  Copies that run end by themselves.
 * Context: process; may sleep.
 */
void cow_fail_writes(struct cow_ctx *ctx)
{
	bool more;

	do {
		LIST_HEAD(failed);

		spin_lock_irq(&ctx->lock);
		more = __dissolve_writes(ctx, &ctx->asking, &failed) ||
		       __dissolve_writes(ctx, &ctx->asked, &failed) ||
		       __dissolve_writes(ctx, &ctx->held, &failed);
		if (!list_empty(&ctx->redo))
			cow_queue(ctx);
		spin_unlock_irq(&ctx->lock);
		cow_end_ios(&failed, BLK_STS_IOERR);
		cond_resched();
	} while (more);
}

/**
 * cow_fault_by_id - the fault that a reply speaks of
 * @ctx: the context; its lock is held
 * @id: from the event
 *
 * Return: an unstarted fault, or NULL.
 */
struct cow_fault *cow_fault_by_id(struct cow_ctx *ctx, u64 id)
{
	struct cow_fault *fault;

	hash_for_each_possible(ctx->fault_ids, fault, by_id, id) {
		if (fault->id == id && !fault->started)
			return fault;
	}
	return NULL;
}

/*
 * -1: a run lies behind these sectors, 1: before them, 0: neither.  The last
 * places come first, for that is where new ones mostly are.
 */
static int run_compare(const struct cow_ctx *ctx, const struct cow_run *run,
		       u32 dev, u64 sector, u64 end)
{
	if (run->at.dev != dev)
		return run->at.dev > dev ? -1 : 1;
	if (run->at.sector >= end)
		return -1;
	return run->at.sector + (run->at.count << ctx->chunk_shift) <= sector;
}

/* Where the places belong in the tree; NULL if one of them is there. */
static struct rb_node **place_link(struct cow_ctx *ctx,
				   const struct cow_span *at,
				   struct rb_node **parent, bool *first)
{
	u64 end = at->sector + (at->count << ctx->chunk_shift);
	struct rb_node **link = &ctx->places.rb_root.rb_node;

	*first = true;
	*parent = rb_first_cached(&ctx->places);
	if (*parent &&
	    run_compare(ctx, rb_entry(*parent, struct cow_run, by_place),
			at->dev, at->sector, end) > 0)
		return &(*parent)->rb_left;
	*parent = NULL;
	while (*link) {
		struct cow_run *run;
		int where;

		*parent = *link;
		run = rb_entry(*parent, struct cow_run, by_place);
		where = run_compare(ctx, run, at->dev, at->sector, end);
		if (!where)
			return NULL;
		*first &= where > 0;
		link = where < 0 ? &(*parent)->rb_right : &(*parent)->rb_left;
	}
	return link;
}

/**
 * __cow_place_insert - no place is given twice while it is live
 * @ctx: the context; its lock is held
 * @run: whose places they are to be, none of them from a grant
 *
 * Return: false if one of them is being copied to or uncommitted.
 */
bool __cow_place_insert(struct cow_ctx *ctx, struct cow_run *run)
{
	const struct cow_span *at = &run->at;
	struct rb_node **link, *parent;
	bool first;

	if (__cow_grant_holds(ctx, at->dev, at->sector, at->count, NULL))
		return false;
	link = place_link(ctx, at, &parent, &first);
	if (!link)
		return false;
	rb_link_node(&run->by_place, parent, link);
	rb_insert_color_cached(&run->by_place, &ctx->places, first);
	return true;
}

/**
 * __cow_place_erase - a place is committed, or was not used
 * @ctx: the context; its lock is held
 * @run: whose places they are; those of a grant go back to it
 */
void __cow_place_erase(struct cow_ctx *ctx, struct cow_run *run)
{
	if (run->at.grant)
		__cow_grant_release(ctx, &run->at);
	else
		rb_erase_cached(&run->by_place, &ctx->places);
}

static struct cow_run *place_find(struct cow_ctx *ctx, u32 dev, u64 sector,
				  u64 end)
{
	struct rb_node *node = ctx->places.rb_root.rb_node;

	while (node) {
		struct cow_run *run = rb_entry(node, struct cow_run, by_place);
		int where = run_compare(ctx, run, dev, sector, end);

		if (!where)
			return run;
		node = where < 0 ? node->rb_right : node->rb_left;
	}
	return NULL;
}

/**
 * __cow_place_committed - places that were placed are anybody's again
 * @ctx: the context; its lock is held
 * @at: committed, or given up
 */
void __cow_place_committed(struct cow_ctx *ctx, const struct cow_span *at)
{
	struct cow_run *run;

	if (at->grant) {
		__cow_grant_release(ctx, at);
		return;
	}
	run = place_find(ctx, at->dev, at->sector, at->sector + 1);
	if (WARN_ON_ONCE(!run))
		return;
	rb_erase_cached(&run->by_place, &ctx->places);
	cow_run_free(run);
}

/**
 * cow_places_exit - forget those that are not committed
 * @ctx: a context that ends
 */
void cow_places_exit(struct cow_ctx *ctx)
{
	struct cow_run *run, *next;

	rbtree_postorder_for_each_entry_safe(run, next, &ctx->places.rb_root,
					     by_place)
		cow_run_free(run);
}

/**
 * __cow_place_in_use - is a place live in these?
 * @ctx: the context; its lock is held
 * @dev: the device
 * @sector: the first one
 * @count: places
 * @but: not if it was taken from this grant; NULL for none
 */
bool __cow_place_in_use(struct cow_ctx *ctx, u32 dev, u64 sector, u64 count,
			const struct cow_grant *but)
{
	return place_find(ctx, dev, sector,
			  sector + (count << ctx->chunk_shift)) ||
	       __cow_grant_holds(ctx, dev, sector, count, but);
}

static struct cow_run *run_make(const struct dm_cow_reply *r, gfp_t gfp)
{
	struct cow_run *run = cow_run_alloc(gfp);

	if (!run)
		return NULL;
	run->at.chunk = r->chunk;
	run->at.count = r->count;
	run->at.sector = r->sector;
	run->at.dev = r->device;
	run->fill = r->fill;
	run->source_dev = r->source_device;
	run->source_sector = r->source_sector;
	return run;
}

/* For the chunks of several groups it was reserved. */
static bool __has_room(struct cow_ctx *ctx, const struct cow_span *at,
		       struct cow_room **room)
{
	return at->count > cow_map_group_rest(at->chunk) ||
	       cow_map_make_room(ctx, at->chunk, at->count, room);
}

static int __fault_answer(struct cow_ctx *ctx, struct cow_fault *fault,
			  struct cow_run *run, struct cow_room **room,
			  struct cow_page **page)
{
	struct cow_span *at = &run->at;

	if (at->chunk != fault->chunk + fault->answered ||
	    at->count > fault->count - fault->answered || !fault->write)
		return -EINVAL;
	if (ctx->mode != COW_MODE_RW)
		return -EROFS;
	if (__cow_grant_collides(ctx, at->dev, at->sector, at->chunk,
				 at->count))
		return -EBUSY;
	if (!__has_room(ctx, at, room) || !__cow_journal_claim(ctx, page))
		return -EAGAIN;
	if (!__cow_place_insert(ctx, run)) {
		__cow_journal_unclaim(ctx);
		return -EBUSY;
	}
	cow_map_set(ctx, at, COW_COPYING);
	run->fault = fault;
	list_add_tail(&run->list, &ctx->copying);
	list_add_tail(&run->in_fault, &fault->runs);
	fault->answered += at->count;
	if (fault->answered < fault->count)
		return 0;
	fault->started = true;
	ctx->nr_started++;
	list_move_tail(&fault->queue, &ctx->ready);
	return 0;
}

/* Room in the map and in the journal; some of it also without memory for all. */
static int answer_prepare(struct cow_ctx *ctx, const struct dm_cow_reply *r,
			  struct cow_room **room, struct cow_page **page,
			  gfp_t gfp)
{
	int err = cow_journal_prepare(ctx, page, gfp);

	if (!err && r->count <= cow_map_group_rest(r->chunk))
		err = cow_map_prepare(ctx, r->chunk, r->count, room, gfp);
	return err;
}

static int fault_answer(struct cow_ctx *ctx, const struct dm_cow_reply *r,
			gfp_t gfp)
{
	struct cow_run *run = run_make(r, gfp);
	struct cow_room *room = NULL;
	struct cow_page *page = NULL;
	struct cow_fault *fault;
	int err = 0;

	if (!run)
		return -ENOMEM;
	/* Most answers need no more room than there is. */
	do {
		if (err)
			err = answer_prepare(ctx, r, &room, &page, gfp);
		if (!err) {
			spin_lock_irq(&ctx->lock);
			fault = cow_fault_by_id(ctx, r->id);
			err = fault ? __fault_answer(ctx, fault, run, &room,
						     &page) : -ENOENT;
			spin_unlock_irq(&ctx->lock);
		}
		cow_room_free(room);
		cow_page_free(page);
		room = NULL;
		page = NULL;
	} while (err == -EAGAIN);
	if (err)
		cow_run_free(run);
	return err;
}

/**
 * cow_fault_place - PLACE: a fault, or the next part of it, has its place
 * @ctx: the context; its control mutex is held
 * @r: the record, whose ranges were checked
 * @gfp: how to allocate
 *
 * Who carries the replies out lets the worker start the copies.
 * Return: 0 or the errno of PROTOCOL.md; after -ENOMEM it may be tried again.
 */
int cow_fault_place(struct cow_ctx *ctx, const struct dm_cow_reply *r,
		    gfp_t gfp)
{
	bool several = r->count > cow_map_group_rest(r->chunk);
	int err = 0;

	/* Long before it is locked, and bounded: hostile counts cost nothing. */
	if (r->count > COW_MAX_FAULT)
		return -EINVAL;
	if (several)
		err = cow_map_reserve(ctx, r->chunk, r->count, gfp);
	if (!err)
		err = fault_answer(ctx, r, gfp);
	if (several)
		cow_map_release(ctx);
	return err;
}

/**
 * cow_fault_error - ERROR: the accesses of a fault fail
 * @ctx: the context
 * @id: of the fault
 * @error: positive errno
 */
int cow_fault_error(struct cow_ctx *ctx, u64 id, int error)
{
	struct cow_fault *fault;
	LIST_HEAD(failed);
	int r = 0;

	spin_lock_irq(&ctx->lock);
	fault = cow_fault_by_id(ctx, id);
	if (!fault)
		r = -ENOENT;
	else if (fault->answered)
		r = -EBUSY;
	else if (fault->write)
		/* What waits behind the writes asks for itself. */
		__fault_dissolve(ctx, fault, &failed, &ctx->redo);
	else
		__fault_dissolve(ctx, fault, &failed, &failed);
	if (!r) {
		ctx->stat.errors++;
		cow_queue(ctx);
	}
	spin_unlock_irq(&ctx->lock);
	cow_end_ios(&failed, errno_to_blk_status(-error));
	return r;
}

/**
 * cow_fault_hold - HOLD: not to be asked again before RETRY
 * @ctx: the context
 * @id: of the fault
 */
int cow_fault_hold(struct cow_ctx *ctx, u64 id)
{
	struct cow_fault *fault;
	int r = 0;

	spin_lock_irq(&ctx->lock);
	fault = cow_fault_by_id(ctx, id);
	if (!fault)
		r = -ENOENT;
	else if (fault->answered)
		r = -EBUSY;
	else
		list_move_tail(&fault->queue, &ctx->held);
	spin_unlock_irq(&ctx->lock);
	return r;
}

/**
 * cow_fault_ask_again - faults go back to be read
 * @ctx: the context; its lock is held
 * @from: ctx->asked or ctx->held
 */
void cow_fault_ask_again(struct cow_ctx *ctx, struct list_head *from)
{
	struct cow_fault *fault;

	list_for_each_entry(fault, from, queue)
		fault->peeked = false;
	list_splice_tail_init(from, &ctx->asking);
	wake_up_interruptible(&ctx->wait);
}

/**
 * cow_fault_forbids_map - is a place being asked for in these chunks?
 * @ctx: the context; its control mutex is held
 * @chunk: first chunk
 * @count: chunks
 *
 * A fault on chunks that had no place may cover several of them, and ends with
 * its own answer only.  One on an unknown chunk may be answered by MAP.
 */
bool cow_fault_forbids_map(struct cow_ctx *ctx, u64 chunk, u64 count)
{
	struct cow_fault *fault, *next;
	bool forbids = false;

	spin_lock_irq(&ctx->lock);
	fault = fault_find(ctx, chunk, &next);
	if (!fault)
		fault = next;
	while (fault && fault->chunk < chunk + count && !forbids) {
		struct rb_node *node = rb_next(&fault->node);

		forbids = fault->started || (fault->write && !fault->unknown);
		fault = rb_entry_safe(node, struct cow_fault, node);
	}
	spin_unlock_irq(&ctx->lock);
	return forbids;
}

/* MAP or KNOWN has told a fault something. */
static void __fault_learn(struct cow_ctx *ctx, struct cow_fault *fault,
			  bool mapped)
{
	if (fault->started)
		return;
	if (mapped || !fault->write)
		__fault_dissolve(ctx, fault, &ctx->redo, &ctx->redo);
	else
		list_splice_tail_init(&fault->late, &ctx->redo);
}

/**
 * cow_fault_told - accesses that waited to be told about these chunks go on
 * @ctx: the context
 * @chunk: first chunk
 * @count: chunks
 * @mapped: they have places now, else a source
 */
void cow_fault_told(struct cow_ctx *ctx, u64 chunk, u64 count, bool mapped)
{
	struct cow_fault *fault, *next;
	u64 end = chunk + count;

	spin_lock_irq(&ctx->lock);
	fault = fault_find(ctx, chunk, &next);
	if (!fault)
		fault = next;
	while (fault && fault->chunk < end) {
		struct rb_node *node = rb_next(&fault->node);

		next = rb_entry_safe(node, struct cow_fault, node);
		__fault_learn(ctx, fault, mapped);
		fault = next;
	}
	if (!list_empty(&ctx->redo))
		cow_queue(ctx);
	spin_unlock_irq(&ctx->lock);
}

/**
 * cow_fault_oldest_ms - how long the oldest fault has waited
 * @ctx: the context; its lock is held
 */
u64 cow_fault_oldest_ms(struct cow_ctx *ctx)
{
	struct list_head *queues[] = { &ctx->asking, &ctx->asked, &ctx->held };
	unsigned long now = jiffies, oldest = now;
	struct cow_fault *fault;
	unsigned int i;

	/* All of them: what is asked again stands behind what is new. */
	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		list_for_each_entry(fault, queues[i], queue) {
			if (time_before(fault->born, oldest))
				oldest = fault->born;
		}
	}
	return jiffies_to_msecs(now - oldest);
}

/**
 * cow_fault_init - what all contexts share
 */
int cow_fault_init(void)
{
	cow_run_cache = KMEM_CACHE(cow_run, 0);
	return cow_run_cache ? 0 : -ENOMEM;
}

/**
 * cow_fault_exit - the reverse
 */
void cow_fault_exit(void)
{
	kmem_cache_destroy(cow_run_cache);
}
