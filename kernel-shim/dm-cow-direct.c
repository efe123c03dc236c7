// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-cow: first writes that need neither a copy nor the controller.
 *
 * A write that covers its chunks, whose places were granted, goes to them as it
 * is.  Most first writes of a busy device are such, so they are spared all that
 * serves several accesses to one chunk:
 *
 *   map():  chunks none -> copying, the write is in ctx->direct
 *   end:    chunks -> placed, the journal has them, the write completes
 *
 * Other accesses to these chunks that cannot go to the source meanwhile wait in
 * direct->late.  A write that fails becomes a fault whose copy has failed
 * (dm-cow-copy.c); the worker makes it one, for that takes memory.
 */
#include "dm-cow.h"

/* A group of the map holds all chunks of such a write. */
static inline u64 direct_key(u64 chunk)
{
	return chunk >> COW_GROUP_SHIFT;
}

/* Chunks from the first on that the write covers. */
static u64 covered_chunks(const struct cow_io *io, const struct bio *bio)
{
	struct cow_ctx *ctx = io->ctx;
	u64 end = io->sector + bio_sectors(bio);

	if (io->sector & (cow_chunk_sectors(ctx) - 1))
		return 0;
	/* The last chunk of the device may be cut off. */
	if (end == READ_ONCE(ctx->sectors))
		end += cow_chunk_sectors(ctx) - 1;
	return (end - io->sector) >> ctx->chunk_shift;
}

/**
 * cow_bio_redirect - a bio, and no clone of it, is to go to its places
 * @io: the access
 * @bio: its bio, which begins where the places do
 * @at: the places
 * @end: called at its end, which calls cow_bio_restore() or goes on with the
 *	bio's own end
 */
void cow_bio_redirect(struct cow_io *io, struct bio *bio,
		      const struct cow_span *at, bio_end_io_t *end)
{
	io->before.end_io = bio->bi_end_io;
	io->before.iter = bio->bi_iter;
	io->before.flags = bio->bi_flags;
	bio->bi_end_io = end;
	bio_set_dev(bio, io->ctx->devs[at->dev].bdev);
	bio->bi_iter.bi_sector = at->sector;
}

/**
 * cow_bio_restore - a bio that has been below may be sent, or ended, once more
 * @io: the access
 * @bio: its bio
 */
void cow_bio_restore(struct cow_io *io, struct bio *bio)
{
	bio->bi_end_io = io->before.end_io;
	bio->bi_iter = io->before.iter;
	bio->bi_flags = io->before.flags;
	bio->bi_status = BLK_STS_OK;
	/* The next one of a request that it was merged into. */
	bio->bi_next = NULL;
	atomic_set(&bio->__bi_remaining, 1);
}

static bool __may_begin(struct cow_io *io)
{
	struct cow_ctx *ctx = io->ctx;

	return ctx->mode == COW_MODE_RW && !ctx->gone && !cow_pushback(io);
}

static void __direct_add(struct cow_ctx *ctx, struct cow_direct *direct)
{
	INIT_LIST_HEAD(&direct->late);
	INIT_LIST_HEAD(&direct->news);
	direct->peeked = false;
	hash_add(ctx->direct, &direct->node, direct_key(direct->at.chunk));
	ctx->nr_started++;
	ctx->stat.outstanding++;
}

/*
 * 1 when the first chunks got their places, 0 if they cannot, and -EAGAIN if
 * there must be more room before they can.
 */
static int __direct_begin(struct cow_io *io, u64 count, struct cow_room **room,
			  struct cow_page **page)
{
	u64 chunk = io->sector >> io->ctx->chunk_shift;
	struct cow_direct *direct = &io->direct;
	struct cow_spot *spot = &direct->spot;
	struct cow_span *span = &direct->at;
	struct cow_ctx *ctx = io->ctx;

	if (!__may_begin(io) || !cow_map_vacant(ctx, chunk, count, spot))
		return 0;
	/* Chunks without a place may have been asked for before the grant. */
	if (!RB_EMPTY_ROOT(&ctx->faults))
		spot->count = cow_fault_gap(ctx, chunk, spot->count);
	if (!spot->count)
		return 0;
	if (!__cow_map_spot_room(ctx, spot, room) ||
	    !__cow_journal_claim(ctx, page))
		return -EAGAIN;
	span->chunk = chunk;
	span->count = spot->count;
	if (!__cow_grant_claim(ctx, span)) {
		__cow_journal_unclaim(ctx);
		return 0;
	}
	spot->count = span->count;
	cow_map_begin(ctx, spot, span);
	__direct_add(ctx, direct);
	return 1;
}

/* The write is one of ctx->direct no more; true if the picture has not told it. */
static inline bool __direct_remove(struct cow_ctx *ctx, struct cow_direct *direct)
{
	bool picture = !list_empty(&direct->news);

	hash_del(&direct->node);
	ctx->stat.outstanding--;
	if (picture)
		list_del(&direct->news);
	return picture;
}

static void __direct_placed(struct cow_ctx *ctx, struct cow_direct *direct)
{
	bool picture = __direct_remove(ctx, direct);

	ctx->nr_started--;
	ctx->stat.skipped += direct->at.count;
	cow_map_arrived(ctx, &direct->spot, &direct->at);
	__cow_placed(ctx, &direct->at, picture);
	if (unlikely(!list_empty(&direct->late))) {
		list_splice_tail(&direct->late, &ctx->redo);
		cow_queue(ctx);
	}
	__cow_wake_idle(ctx);
}

static void direct_end(struct bio *bio)
{
	struct cow_io *io = dm_per_bio_data(bio, sizeof(*io));
	struct cow_ctx *ctx = io->ctx;
	unsigned long flags;

	bio->bi_end_io = io->before.end_io;
	spin_lock_irqsave(&ctx->lock, flags);
	if (bio->bi_status) {
		list_add_tail(&io->list, &ctx->broken);
		cow_queue(ctx);
		spin_unlock_irqrestore(&ctx->lock, flags);
		return;
	}
	__direct_placed(ctx, &io->direct);
	spin_unlock_irqrestore(&ctx->lock, flags);
	/* As bio_endio(), whose part has been done. */
	bio->bi_end_io(bio);
}

/* The fault that it would have been, its only copy through. */
static void __make_fault(struct cow_ctx *ctx, struct cow_io *io,
			 struct cow_run *run)
{
	struct cow_fault *fault = &io->fault;

	run->picture = __direct_remove(ctx, &io->direct);
	if (run->picture)
		list_add_tail(&run->notice, &ctx->notices);
	run->at = io->direct.at;
	run->fault = fault;
	list_add_tail(&run->list, &ctx->copying);
	cow_fault_make(io, run->at.count);
	fault->answered = fault->count;
	fault->started = true;
	fault->cursor = (fault->chunk + fault->count) << ctx->chunk_shift;
	fault->skipped = fault->count;
	list_add_tail(&run->in_fault, &fault->runs);
	list_add_tail(&fault->queue, &ctx->busy);
	list_splice_tail(&io->direct.late, &fault->late);
}

/* False without memory. */
static bool direct_failed(struct cow_ctx *ctx, struct cow_io *io)
{
	struct cow_run *run = cow_run_alloc(GFP_NOIO | __GFP_NORETRY |
					    __GFP_NOWARN);
	struct bio *bio = cow_io_bio(io);

	if (!run)
		return false;
	run->status = bio->bi_status;
	run->write_side = true;
	cow_bio_restore(io, bio);
	spin_lock_irq(&ctx->lock);
	__make_fault(ctx, io, run);
	spin_unlock_irq(&ctx->lock);
	cow_fault_end(ctx, &io->fault);
	return true;
}

/**
 * cow_direct_work - the worker's part: writes that failed
 * @ctx: the context
 */
void cow_direct_work(struct cow_ctx *ctx)
{
	struct cow_io *io;

	spin_lock_irq(&ctx->lock);
	while ((io = list_first_entry_or_null(&ctx->broken, struct cow_io,
					      list))) {
		list_del(&io->list);
		spin_unlock_irq(&ctx->lock);
		cond_resched();
		if (direct_failed(ctx, io)) {
			spin_lock_irq(&ctx->lock);
			continue;
		}
		/* Not waited for here: others need the worker to free some. */
		spin_lock_irq(&ctx->lock);
		list_add(&io->list, &ctx->broken);
		cow_queue(ctx);
		break;
	}
	spin_unlock_irq(&ctx->lock);
}

static void direct_remap(struct cow_io *io, struct bio *bio)
{
	struct cow_direct *direct = &io->direct;
	struct cow_ctx *ctx = io->ctx;
	u64 sectors = direct->at.count << ctx->chunk_shift;

	if (bio_sectors(bio) > sectors)
		dm_accept_partial_bio(bio, sectors);
	cow_bio_redirect(io, bio, &direct->at, direct_end);
}

/* Room in the map and in the journal; false without memory. */
static bool direct_prepare(struct cow_io *io, u64 count, struct cow_room **room,
			   struct cow_page **page)
{
	u64 chunk = io->sector >> io->ctx->chunk_shift;

	count = min(count, cow_map_group_rest(chunk));
	return !cow_journal_prepare(io->ctx, page, COW_GFP_MAP_IO) &&
	       !cow_map_prepare(io->ctx, chunk, count, room, COW_GFP_MAP_IO);
}

static int direct_try(struct cow_io *io, u64 count, struct cow_room **room,
		      struct cow_page **page)
{
	unsigned long flags;
	int r;

	spin_lock_irqsave(&io->ctx->lock, flags);
	r = __direct_begin(io, count, room, page);
	spin_unlock_irqrestore(&io->ctx->lock, flags);
	return r;
}

static int direct_begin(struct cow_io *io, u64 count)
{
	struct cow_room *room = NULL;
	struct cow_page *page = NULL;
	int r = direct_try(io, count, &room, &page);

	while (r == -EAGAIN) {
		r = direct_prepare(io, count, &room, &page) ?
			direct_try(io, count, &room, &page) : 0;
		cow_room_free(room);
		cow_page_free(page);
		room = NULL;
		page = NULL;
	}
	return r;
}

/**
 * cow_direct_map - send a first write to places that were granted
 * @io: a write from map(), with ctx, ti and sector set
 * @bio: its bio
 *
 * Return: false if it is no such write, or just cannot be: nothing was done.
 */
bool cow_direct_map(struct cow_io *io, struct bio *bio)
{
	struct cow_ctx *ctx = io->ctx;
	u64 count;

	if ((bio->bi_opf & REQ_FUA) || !cow_grant_any(ctx))
		return false;
	count = covered_chunks(io, bio);
	if (!count)
		return false;
	/* One chunk that had a place would have been sent there before. */
	if (count > 1 &&
	    cow_map_has_place(ctx, io->sector >> ctx->chunk_shift))
		return false;
	if (!direct_begin(io, count))
		return false;
	direct_remap(io, bio);
	return true;
}

/**
 * __cow_direct_find - the write on its way to the place of a chunk
 * @ctx: the context; its lock is held
 * @chunk: in state copying, and in no fault
 *
 * Return: it, or NULL.
 */
struct cow_direct *__cow_direct_find(struct cow_ctx *ctx, u64 chunk)
{
	struct cow_direct *direct;

	lockdep_assert_held(&ctx->lock);
	hash_for_each_possible(ctx->direct, direct, node, direct_key(chunk)) {
		if (chunk - direct->at.chunk < direct->at.count)
			return direct;
	}
	return NULL;
}

/**
 * __cow_direct_release - whoever waits for such a write waits no more
 * @ctx: the context; its lock is held
 * @ios: gets them
 */
void __cow_direct_release(struct cow_ctx *ctx, struct list_head *ios)
{
	struct cow_direct *direct;
	unsigned int i;

	hash_for_each(ctx->direct, i, direct, node)
		list_splice_tail_init(&direct->late, ios);
}
