// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-cow: first writes that need neither a copy nor the controller.
 *
 * A write that covers its chunks, whose places were granted, goes to them as it
 * is.  Most first writes of a busy device are such, so they are spared all that
 * serves several accesses to one chunk:
 *
 *   map():  chunks none -> copying, the run is in ctx->copying
 *   end:    the run is numbered, chunks -> placed, the write completes
 *
 * In between its fault can be found in ctx->direct, so that other accesses to
 * these chunks wait in fault->late.  Whatever is out of the ordinary makes it a
 * fault like any other: before it began, in map(), which then holds the write;
 * at its end, where it failed or somebody waits for it, in cow_fault_end().
 */
#include "dm-cow.h"

/* A group of the map holds all chunks of such a write. */
static u64 direct_key(u64 chunk)
{
	return chunk + cow_map_group_rest(chunk);
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

static bool __may_begin(struct cow_io *io)
{
	struct cow_ctx *ctx = io->ctx;

	return ctx->mode == COW_MODE_RW && !ctx->gone && !cow_pushback(io);
}

static void __direct_add(struct cow_ctx *ctx, struct cow_fault *fault,
			 struct cow_run *run)
{
	INIT_LIST_HEAD(&fault->late);
	INIT_LIST_HEAD(&fault->queue);
	fault->chunk = run->chunk;
	fault->count = run->count;
	fault->started = true;
	fault->write = true;
	run->fault = fault;
	hash_add(ctx->direct, &fault->by_id, direct_key(run->chunk));
	list_add_tail(&run->list, &ctx->copying);
	ctx->nr_started++;
	ctx->stat.outstanding++;
}

/*
 * Chunks that got their places; 0 if they cannot, and -EAGAIN if the map needs
 * more room before they can.
 */
static int __direct_begin(struct cow_io *io, struct cow_run *run, u64 count,
			  struct cow_room **room)
{
	struct cow_ctx *ctx = io->ctx;
	struct cow_spot *spot = &io->spot;

	if (!__may_begin(io))
		return 0;
	run->chunk = io->sector >> ctx->chunk_shift;
	if (!cow_map_vacant(ctx, run->chunk, count, spot))
		return 0;
	/* Chunks without a place may have been asked for before the grant. */
	spot->count = cow_fault_gap(ctx, spot->chunk, spot->count);
	if (!spot->count)
		return 0;
	if (!cow_map_spot_room(ctx, spot, room))
		return -EAGAIN;
	run->count = spot->count;
	if (!__cow_grant_claim(ctx, run))
		return 0;
	spot->count = run->count;
	cow_map_fill(ctx, spot, run, COW_COPYING);
	__direct_add(ctx, &io->fault, run);
	return run->count;
}

static void __direct_placed(struct cow_ctx *ctx, struct cow_io *io,
			    struct cow_run *run)
{
	hash_del(&io->fault.by_id);
	/* Who waited may have been pushed back meanwhile. */
	list_del(&io->fault.queue);
	ctx->nr_started--;
	ctx->stat.outstanding--;
	ctx->stat.skipped += run->count;
	cow_map_spot_again(ctx, &io->spot);
	cow_map_fill(ctx, &io->spot, run, COW_PLACED);
	__cow_run_placed(ctx, run);
	__cow_wake_idle(ctx);
}

/* Now its end is that of a fault whose only copy is through. */
static void __make_fault(struct cow_ctx *ctx, struct cow_io *io,
			 struct cow_run *run)
{
	struct cow_fault *fault = &io->fault;

	hash_del(&fault->by_id);
	INIT_LIST_HEAD(&fault->ios);
	INIT_LIST_HEAD(&fault->runs);
	fault->answered = fault->count;
	fault->cursor = (fault->chunk + fault->count) << ctx->chunk_shift;
	fault->born = jiffies;
	fault->nr_ios = 1;
	fault->unknown = false;
	fault->peeked = false;
	fault->copies = 0;
	fault->skipped = fault->count;
	fault->id = ++ctx->next_id;
	list_add_tail(&io->list, &fault->ios);
	list_add_tail(&run->in_fault, &fault->runs);
	list_move_tail(&fault->queue, &ctx->busy);
	cow_fault_insert(ctx, fault);
}

static void direct_end(struct bio *bio)
{
	struct cow_io *io = dm_per_bio_data(bio, sizeof(*io));
	struct cow_fault *fault = &io->fault;
	struct cow_ctx *ctx = io->ctx;
	struct cow_run *run = io->run;
	unsigned long flags;
	bool plain;

	bio->bi_end_io = io->end_io;
	spin_lock_irqsave(&ctx->lock, flags);
	plain = !bio->bi_status && list_empty(&fault->late);
	if (plain)
		__direct_placed(ctx, io, run);
	else
		__make_fault(ctx, io, run);
	spin_unlock_irqrestore(&ctx->lock, flags);
	if (plain) {
		/* As bio_endio(), whose part has been done. */
		bio->bi_end_io(bio);
		return;
	}
	/* A used bio is made as it was before: it may be sent once more. */
	run->status = bio->bi_status;
	run->write_side = run->status != BLK_STS_OK;
	bio->bi_iter = io->iter;
	bio->bi_flags = io->flags;
	bio->bi_status = BLK_STS_OK;
	atomic_set(&bio->__bi_remaining, 1);
	cow_fault_end(ctx, fault);
}

static void direct_remap(struct cow_io *io, struct bio *bio)
{
	struct cow_run *run = io->run;
	struct cow_ctx *ctx = io->ctx;
	u64 sectors = run->count << ctx->chunk_shift;

	if (bio_sectors(bio) > sectors)
		dm_accept_partial_bio(bio, sectors);
	io->sectors = bio_sectors(bio);
	io->end_io = bio->bi_end_io;
	io->iter = bio->bi_iter;
	io->flags = bio->bi_flags;
	bio->bi_end_io = direct_end;
	bio_set_dev(bio, ctx->devs[run->dev].bdev);
	bio->bi_iter.bi_sector = run->sector;
}

/**
 * cow_direct_map - send a first write to places that were granted
 * @io: a write from map(), with ctx, ti and sector set
 *
 * Return: false if it is no such write, or just cannot be: nothing was done.
 */
bool cow_direct_map(struct cow_io *io)
{
	struct cow_ctx *ctx = io->ctx;
	struct bio *bio = cow_io_bio(io);
	u64 count = covered_chunks(io, bio);
	struct cow_room *room = NULL;
	struct cow_run *run;
	unsigned long flags;
	int r;

	if (!count || (bio->bi_opf & REQ_FUA) || !cow_grant_any(ctx) ||
	    cow_map_has_place(ctx, io->sector >> ctx->chunk_shift))
		return false;
	run = cow_run_alloc(COW_GFP_MAP_IO);
	if (!run)
		return false;
	do {
		spin_lock_irqsave(&ctx->lock, flags);
		r = __direct_begin(io, run, count, &room);
		spin_unlock_irqrestore(&ctx->lock, flags);
		cow_room_free(room);
		room = NULL;
	} while (r == -EAGAIN &&
		 !cow_map_prepare(ctx, run->chunk,
				  min(count, cow_map_group_rest(run->chunk)),
				  &room, COW_GFP_MAP_IO));
	if (r <= 0) {
		cow_run_free(run);
		return false;
	}
	io->run = run;
	direct_remap(io, bio);
	return true;
}

/**
 * cow_direct_find - the write under way that covers a chunk
 * @ctx: the context; its lock is held
 * @chunk: in state copying, and in no other fault
 *
 * Return: its fault, or NULL.
 */
struct cow_fault *cow_direct_find(struct cow_ctx *ctx, u64 chunk)
{
	struct cow_fault *fault;

	lockdep_assert_held(&ctx->lock);
	hash_for_each_possible(ctx->direct, fault, by_id, direct_key(chunk)) {
		if (chunk - fault->chunk < fault->count)
			return fault;
	}
	return NULL;
}
