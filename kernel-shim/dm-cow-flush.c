// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-cow: FLUSH, FUA and COMMIT.
 *
 * A flush promises that what was written before it is found after a power cut.
 * For a place that is not committed this takes its data on the device first
 * and the metadata that names it second, so flushes go in batches:
 *
 *   ctx->flush_new     wait for the device flush to begin
 *   ctx->flush_dev     wait for it to end; places up to flush_number are in it
 *   ctx->flush_commit  wait for FLUSHED of their number
 *
 * A batch takes the last number when its device flush begins: that data was
 * complete then.  One device flush runs at a time.
 */
#include <linux/blkdev.h>

#include "dm-cow.h"

/* Is there no hope that the number is ever committed? */
static bool __is_hopeless(const struct cow_ctx *ctx)
{
	return ctx->mode != COW_MODE_RW || ctx->expired || ctx->gone;
}

/* Sorts the flushes of a device flush that succeeded. */
static blk_status_t __flush_sort(struct cow_ctx *ctx, struct list_head *ios)
{
	struct cow_io *io;
	bool pushback;

	if (ctx->flush_number <= ctx->committed) {
		list_splice_init(&ctx->flush_dev, ios);
		return BLK_STS_OK;
	}
	/* There is none where only a COMMIT asked for it. */
	io = list_first_entry_or_null(&ctx->flush_dev, struct cow_io, list);
	pushback = io && cow_pushback(io);
	if (pushback || __is_hopeless(ctx)) {
		list_splice_init(&ctx->flush_dev, ios);
		return pushback ? BLK_STS_DM_REQUEUE : BLK_STS_IOERR;
	}
	list_for_each_entry(io, &ctx->flush_dev, list)
		io->number = ctx->flush_number;
	list_splice_tail_init(&ctx->flush_dev, &ctx->flush_commit);
	ctx->flush_wanted = ctx->flush_number;
	wake_up_interruptible(&ctx->wait);
	return BLK_STS_OK;
}

static void flush_end(struct cow_ctx *ctx)
{
	blk_status_t status;
	unsigned long flags;
	LIST_HEAD(ios);

	spin_lock_irqsave(&ctx->lock, flags);
	ctx->flush_active = false;
	status = ctx->flush_status;
	if (status) {
		list_splice_init(&ctx->flush_dev, &ios);
		ctx->stat.errors++;
		__cow_set_mode(ctx, COW_MODE_RO, "a device cannot be flushed");
	} else {
		status = __flush_sort(ctx, &ios);
	}
	if (!list_empty(&ctx->flush_new) || ctx->commit_asked)
		cow_queue(ctx);
	__cow_wake_idle(ctx);
	spin_unlock_irqrestore(&ctx->lock, flags);
	/* The context may be gone by the end of this. */
	cow_end_ios(&ios, status);
}

static void flush_put(struct cow_ctx *ctx)
{
	if (atomic_dec_and_test(&ctx->flush_pending))
		flush_end(ctx);
}

static void flush_bio_end(struct bio *bio)
{
	struct cow_ctx *ctx = bio->bi_private;

	if (bio->bi_status)
		ctx->flush_status = bio->bi_status;
	bio_uninit(bio);
	flush_put(ctx);
}

static void flush_devices(struct cow_ctx *ctx)
{
	unsigned int i;
	struct bio *bio = ctx->flush_bios;

	for (i = 0; i < ctx->nr_devs; i++) {
		if (!cow_dev_writable(ctx, i))
			continue;
		bio_init(bio, ctx->devs[i].bdev, NULL, 0,
			 REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC);
		bio->bi_private = ctx;
		bio->bi_end_io = flush_bio_end;
		submit_bio_noacct(bio++);
	}
	flush_put(ctx);
}

/**
 * cow_flush_begin - begin a device flush if one is wanted and none runs
 * @ctx: the context
 *
 * Context: the worker, or map().
 */
void cow_flush_begin(struct cow_ctx *ctx)
{
	unsigned long flags;
	bool start;

	spin_lock_irqsave(&ctx->lock, flags);
	start = !ctx->flush_active && !ctx->gone &&
		(ctx->commit_asked || !list_empty(&ctx->flush_new));
	if (start) {
		list_splice_tail_init(&ctx->flush_new, &ctx->flush_dev);
		ctx->flush_number = ctx->number;
		ctx->flush_active = true;
		ctx->flush_status = BLK_STS_OK;
		ctx->commit_asked = false;
		atomic_set(&ctx->flush_pending, ctx->flush_devs + 1);
	}
	spin_unlock_irqrestore(&ctx->lock, flags);
	if (start)
		flush_devices(ctx);
}

/**
 * __cow_flush_add - a write that was FUA waits for its commit
 * @ctx: the context; its lock is held
 * @io: the write, its data complete and its chunk numbered
 */
void __cow_flush_add(struct cow_ctx *ctx, struct cow_io *io)
{
	list_add_tail(&io->list, &ctx->flush_new);
	cow_queue(ctx);
}

/**
 * __cow_commit_soon - COMMIT: have all that is placed committed
 * @ctx: the context; its lock is held
 *
 * Outside rw no commit can succeed, and its device flush would be in vain.
 */
void __cow_commit_soon(struct cow_ctx *ctx)
{
	if (!__cow_uncommitted(ctx) || ctx->mode != COW_MODE_RW)
		return;
	if (ctx->gone) {
		ctx->flush_wanted = ctx->number;
		wake_up_interruptible(&ctx->wait);
		return;
	}
	ctx->commit_asked = true;
	cow_queue(ctx);
}

/**
 * cow_flush_io - a FLUSH bio from the core
 * @io: the bio, which has no data
 *
 * Return: DM_MAPIO_*.
 */
int cow_flush_io(struct cow_io *io)
{
	struct cow_ctx *ctx = io->ctx;
	unsigned long flags;
	int r = DM_MAPIO_SUBMITTED;
	bool alone;

	spin_lock_irqsave(&ctx->lock, flags);
	if (cow_pushback(io))
		r = DM_MAPIO_REQUEUE;
	else if (ctx->gone || ctx->mode == COW_MODE_FAIL)
		r = DM_MAPIO_KILL;
	else
		list_add_tail(&io->list, &ctx->flush_new);
	spin_unlock_irqrestore(&ctx->lock, flags);
	/* Of several lines each gets a bio; one device flush will do for all. */
	alone = READ_ONCE(ctx->nr_lines) == 1;
	if (r == DM_MAPIO_SUBMITTED && alone)
		cow_flush_begin(ctx);
	else if (r == DM_MAPIO_SUBMITTED)
		cow_queue(ctx);
	return r;
}

static void fua_end(struct bio *clone)
{
	struct cow_io *io = clone->bi_private;
	struct cow_ctx *ctx = io->ctx;
	blk_status_t status = clone->bi_status;
	struct bio *bio = cow_io_bio(io);
	unsigned long flags;

	bio_put(clone);
	if (status) {
		bio->bi_status = status;
		bio_endio(bio);
		return;
	}
	spin_lock_irqsave(&ctx->lock, flags);
	__cow_flush_add(ctx, io);
	spin_unlock_irqrestore(&ctx->lock, flags);
}

/**
 * cow_fua_io - a FUA write to a place that is not committed
 * @io: the write, inside one chunk
 * @dev: of the place
 * @sector: of the place
 *
 * The device's own FUA would make the write durable and not what names it.
 * Context: the worker.
 */
void cow_fua_io(struct cow_io *io, u32 dev, u64 sector)
{
	struct cow_ctx *ctx = io->ctx;
	struct bio *bio = cow_io_bio(io), *clone;
	u64 offset = io->sector & (cow_chunk_sectors(ctx) - 1);

	clone = bio_alloc_clone(ctx->devs[dev].bdev, bio, GFP_NOIO,
				&ctx->clones);
	/* Who polls knows the bio above, not this one. */
	clone->bi_opf &= ~(REQ_FUA | REQ_POLLED);
	clone->bi_iter.bi_sector = sector + offset;
	clone->bi_private = io;
	clone->bi_end_io = fua_end;
	submit_bio_noacct(clone);
}

static void __span_commit(struct cow_ctx *ctx, const struct cow_span *span,
			  bool forget)
{
	if (forget) {
		cow_map_set(ctx, span, COW_UNKNOWN);
		ctx->stat.placed -= span->count;
	} else {
		cow_map_commit(ctx, span);
	}
	__cow_place_committed(ctx, span);
	ctx->stat.uncommitted -= span->count;
}

/*
 * Without a line what is committed is forgotten.  ctx_last_line() does so for
 * all that was committed before it; until then a line may come back, to which
 * the ranges say that these chunks have no place.
 */
static void __commit(struct cow_ctx *ctx, u64 max, bool abandon)
{
	bool forget = abandon || ctx->left;
	const struct cow_entry *entries;
	unsigned int i, nr;

	entries = __cow_journal_oldest(ctx, max, &nr);
	for (i = 0; i < nr; i++)
		__span_commit(ctx, &entries[i].at, forget);
	__cow_journal_pop(ctx, nr);
}

/*
 * Some entries up to number are not uncommitted any more; true if others are.
 * Nothing is abandoned once a line has come back.
 */
static bool commit_batch(struct cow_ctx *ctx, u64 number, bool abandon)
{
	bool more;

	spin_lock_irq(&ctx->lock);
	more = ctx->committed < number && (!abandon || ctx->left);
	if (more) {
		__commit(ctx, min_t(u64, number - ctx->committed, 64), abandon);
		more = ctx->committed < number;
	}
	spin_unlock_irq(&ctx->lock);
	cond_resched();
	return more;
}

static void __take_flushes(struct cow_ctx *ctx, u64 number,
			   struct list_head *ios)
{
	struct cow_io *io, *next;

	list_for_each_entry_safe(io, next, &ctx->flush_commit, list) {
		if (io->number > number)
			break;
		list_move_tail(&io->list, ios);
	}
}

/**
 * cow_flushed - FLUSHED: the controller has committed, or cannot
 * @ctx: the context; its control mutex is held
 * @number: up to which
 * @error: positive errno, 0 if it has
 *
 * Return: 0, or -EINVAL for a number that was not asked for.
 */
int cow_flushed(struct cow_ctx *ctx, u64 number, int error)
{
	LIST_HEAD(ios);

	spin_lock_irq(&ctx->lock);
	if (!number || number > ctx->flush_sent) {
		spin_unlock_irq(&ctx->lock);
		return -EINVAL;
	}
	spin_unlock_irq(&ctx->lock);
	if (!error) {
		while (commit_batch(ctx, number, false))
			;
	}
	spin_lock_irq(&ctx->lock);
	if (error) {
		ctx->stat.errors++;
		__cow_set_mode(ctx, COW_MODE_RO, "a commit failed");
	}
	__take_flushes(ctx, number, &ios);
	__cow_nudge_later(ctx);
	__cow_wake_idle(ctx);
	spin_unlock_irq(&ctx->lock);
	cow_end_ios(&ios, errno_to_blk_status(-error));
	return 0;
}

/**
 * cow_abandon - ABANDON: an operator gives up what is not committed
 * @ctx: the context; its control mutex is held
 *
 * Return: 0, or -EBUSY while a table line could still use it.
 */
int cow_abandon(struct cow_ctx *ctx)
{
	u64 number;
	bool left;

	spin_lock_irq(&ctx->lock);
	left = ctx->left;
	number = ctx->number;
	spin_unlock_irq(&ctx->lock);
	if (!left)
		return -EBUSY;
	while (commit_batch(ctx, number, true))
		;
	/* A line may have come back meanwhile. */
	spin_lock_irq(&ctx->lock);
	__cow_nudge_later(ctx);
	spin_unlock_irq(&ctx->lock);
	return 0;
}
