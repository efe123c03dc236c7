// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-cow: from an answered fault to placed runs.
 *
 * Chunks that the waiting writes cover are written by clones of those writes, or
 * where there is but one by itself.  The others pass through buffers of at most
 * 64 KiB: read the source, lay the writes over it, write the place, so that each
 * place is written once.  The writes complete when everything has succeeded and
 * is numbered:
 *
 *   worker: start every copy of the fault     fault->pending counts them
 *   irq:    source read -> ctx->filled
 *   worker: merge, write
 *   irq:    place written; the last one ends the fault
 *
 * Where the places were granted, map() does the worker's first step itself for a
 * single chunk that needs a copy (cow_copy_granted()).  Where the source was read
 * before its submission was over, as from memory, nobody waits for the worker's
 * second one (buf_read()).
 *
 * The worker never sleeps for a buffer: the ones in use come back through the
 * worker.  It may sleep for a clone, which only devices below us hold.
 */
#include <linux/bio.h>
#include <linux/highmem.h>
#include <linux/slab.h>

#include "dm-cow.h"

/**
 * struct cow_buf - a piece of a chunk on its way
 * @list: ctx->bufs or ctx->filled
 * @ctx: whose it is
 * @run: the run that it is a part of
 * @sector: first sector, from the start of the mapped device
 * @sectors: length
 * @reader: who sent the read of the source
 * @frame: its current->bio_list then; both are compared, never followed
 * @bio: the read of the source, then the write of the place
 * @vecs: whole pages, the same for ever; the bio tells how much of them it uses
 */
struct cow_buf {
	struct list_head list;
	struct cow_ctx *ctx;
	struct cow_run *run;
	u64 sector;
	unsigned int sectors;
	const struct task_struct *reader;
	const struct bio_list *frame;
	struct bio bio;
	struct bio_vec vecs[COW_BUF_PAGES];
};

static struct page *buf_page(const struct cow_buf *buf, unsigned int at)
{
	return buf->vecs[at >> PAGE_SHIFT].bv_page;
}

static unsigned int buf_pages(const struct cow_ctx *ctx)
{
	u64 bytes = cow_chunk_sectors(ctx) << SECTOR_SHIFT;

	return clamp_t(u64, bytes >> PAGE_SHIFT, 1, COW_BUF_PAGES);
}

static void buf_free(struct cow_buf *buf)
{
	unsigned int i;

	for (i = 0; i < COW_BUF_PAGES && buf->vecs[i].bv_page; i++)
		__free_page(buf->vecs[i].bv_page);
	kfree(buf);
}

static struct cow_buf *buf_alloc(struct cow_ctx *ctx, gfp_t gfp)
{
	struct cow_buf *buf = kzalloc(sizeof(*buf), gfp);
	unsigned int i;

	if (!buf)
		return NULL;
	buf->ctx = ctx;
	for (i = 0; i < buf_pages(ctx); i++) {
		buf->vecs[i].bv_page = alloc_page(gfp);
		buf->vecs[i].bv_len = PAGE_SIZE;
		if (!buf->vecs[i].bv_page) {
			buf_free(buf);
			return NULL;
		}
	}
	return buf;
}

static struct cow_buf *__buf_take(struct cow_ctx *ctx)
{
	struct cow_buf *buf;

	buf = list_first_entry_or_null(&ctx->bufs, struct cow_buf, list);
	if (buf) {
		list_del(&buf->list);
		ctx->nr_bufs_free--;
	}
	return buf;
}

/* A free buffer or a new one; without either the fault waits for one. */
static struct cow_buf *buf_get(struct cow_ctx *ctx, struct cow_fault *fault)
{
	struct cow_buf *buf;
	unsigned long flags;
	bool grow;

	spin_lock_irqsave(&ctx->lock, flags);
	buf = __buf_take(ctx);
	grow = !buf && ctx->nr_bufs < COW_BUFS_MAX;
	ctx->nr_bufs += grow;
	spin_unlock_irqrestore(&ctx->lock, flags);
	if (grow)
		buf = buf_alloc(ctx, GFP_NOWAIT | __GFP_NOMEMALLOC |
				     __GFP_NOWARN);
	if (buf)
		return buf;
	spin_lock_irqsave(&ctx->lock, flags);
	ctx->nr_bufs -= grow;
	/* One may have come back meanwhile, and found nobody waiting. */
	buf = __buf_take(ctx);
	if (!buf)
		list_move_tail(&fault->queue, &ctx->starved);
	spin_unlock_irqrestore(&ctx->lock, flags);
	return buf;
}

static void buf_put(struct cow_buf *buf)
{
	struct cow_ctx *ctx = buf->ctx;
	unsigned long flags;
	bool keep;

	spin_lock_irqsave(&ctx->lock, flags);
	keep = ctx->nr_bufs_free < COW_BUFS_CACHED;
	if (keep) {
		list_add(&buf->list, &ctx->bufs);
		ctx->nr_bufs_free++;
	} else {
		ctx->nr_bufs--;
	}
	if (!list_empty(&ctx->starved))
		cow_queue(ctx);
	spin_unlock_irqrestore(&ctx->lock, flags);
	if (!keep)
		buf_free(buf);
}

/**
 * cow_bufs_init - the buffers that make progress certain
 * @ctx: a new context
 */
int cow_bufs_init(struct cow_ctx *ctx)
{
	unsigned int i;

	for (i = 0; i < COW_BUFS_RESERVED; i++) {
		struct cow_buf *buf = buf_alloc(ctx, GFP_KERNEL);

		if (!buf)
			return -ENOMEM;
		list_add(&buf->list, &ctx->bufs);
		ctx->nr_bufs_free++;
		ctx->nr_bufs++;
	}
	return 0;
}

/**
 * cow_bufs_exit - free them; all are back
 * @ctx: a context that ends
 */
void cow_bufs_exit(struct cow_ctx *ctx)
{
	struct cow_buf *buf;

	while ((buf = __buf_take(ctx)))
		buf_free(buf);
}

static u64 run_start(const struct cow_ctx *ctx, const struct cow_run *run)
{
	return run->at.chunk << ctx->chunk_shift;
}

/* First sector behind the run that the device has. */
static u64 run_end(const struct cow_ctx *ctx, const struct cow_run *run)
{
	u64 end = (run->at.chunk + run->at.count) << ctx->chunk_shift;

	return min(end, READ_ONCE(ctx->sectors));
}

static u64 io_end(const struct cow_io *io)
{
	return io->sector + io->sectors;
}

/* Do the writes, which are sorted, cover all of [start, end)? */
static bool covered(const struct cow_fault *fault, u64 start, u64 end)
{
	const struct cow_io *io;

	list_for_each_entry(io, &fault->ios, list) {
		if (io->sector > start)
			return false;
		start = max(start, io_end(io));
		if (start >= end)
			return true;
	}
	return false;
}

/* What a write came to.  Without space it waits, but not across tables. */
static blk_status_t io_status(const struct cow_ctx *ctx,
			      const struct cow_fault *fault,
			      const struct cow_io *io)
{
	const struct cow_run *run;

	list_for_each_entry(run, &fault->runs, in_fault) {
		if (!run->status || io->sector >= run_end(ctx, run) ||
		    io_end(io) <= run_start(ctx, run))
			continue;
		if (run->status == BLK_STS_NOSPC && cow_pushback(io))
			return BLK_STS_DM_REQUEUE;
		return run->status;
	}
	return BLK_STS_OK;
}

/* The copy of a run has ended. */
static void __run_done(struct cow_ctx *ctx, struct cow_run *run)
{
	list_del(&run->in_fault);
	list_del(&run->list);
}

/* The place of a run that failed goes back to the controller. */
static void __run_failed(struct cow_ctx *ctx, struct cow_run *run)
{
	__run_done(ctx, run);
	cow_map_set(ctx, &run->at, COW_UNKNOWN);
	__cow_journal_unclaim(ctx);
	if (run->at.grant)
		__cow_grant_failed(ctx, &run->at);
	/* It may have been the last of its grant. */
	__cow_place_erase(ctx, run);
	run->at.grant = NULL;
	ctx->stat.errors++;
	DMERR_LIMIT("%s: copy of chunk %llu failed: %s error %d", ctx->ident,
		    run->at.chunk, run->write_side ? "write" : "read",
		    blk_status_to_errno(run->status));
	__cow_notify_failed(ctx, run);
}

/* Its data is at its place. */
static void __run_placed(struct cow_ctx *ctx, struct cow_run *run)
{
	__run_done(ctx, run);
	list_del(&run->notice);
	cow_map_set(ctx, &run->at, COW_PLACED);
	__cow_placed(ctx, &run->at, run->picture);
	/* One that was answered keeps its place until it is committed. */
	if (run->at.grant)
		cow_run_free(run);
}

static bool is_out_of_space(const struct cow_fault *fault)
{
	const struct cow_run *run;

	list_for_each_entry(run, &fault->runs, in_fault) {
		if (run->status == BLK_STS_NOSPC && run->write_side)
			return true;
	}
	return false;
}

static bool __may_hold(const struct cow_ctx *ctx, const struct cow_fault *fault)
{
	return !ctx->gone && !ctx->expired && ctx->mode == COW_MODE_RW &&
	       !cow_pushback(container_of(fault, struct cow_io, fault));
}

/*
 * ENOSPC under a place that was thought to exist: all places of the fault go
 * back, and it is held until somebody has made room.
 */
static void __fault_hold_again(struct cow_ctx *ctx, struct cow_fault *fault)
{
	struct cow_run *run, *next;

	list_for_each_entry_safe(run, next, &fault->runs, in_fault) {
		run->status = BLK_STS_NOSPC;
		__run_failed(ctx, run);
	}
	/* It may never have been asked for. */
	if (hlist_unhashed(&fault->by_id))
		hash_add(ctx->fault_ids, &fault->by_id, fault->id);
	fault->started = false;
	fault->answered = 0;
	fault->copies = 0;
	fault->skipped = 0;
	fault->cursor = fault->chunk << ctx->chunk_shift;
	list_splice_tail_init(&fault->late, &ctx->redo);
	list_move_tail(&fault->queue, &ctx->held);
}

/* Sorts the writes: done, to be flushed first (FUA), or pushed back. */
static void __fault_sort(struct cow_ctx *ctx, struct cow_fault *fault,
			 struct list_head *done)
{
	struct cow_io *io, *next;

	list_for_each_entry_safe(io, next, &fault->ios, list) {
		if (!io->status && (cow_io_bio(io)->bi_opf & REQ_FUA)) {
			list_del(&io->list);
			__cow_flush_add(ctx, io);
		}
	}
	list_splice_init(&fault->ios, done);
}

/**
 * cow_fault_end - everything is written, or failed
 * @ctx: the context
 * @fault: the fault; its memory may be gone on return
 *
 * 1. what each write came to, while the runs still know;
 * 2. the runs are numbered, before anything completes;
 * 3. the fault ends, and what came too late is mapped again;
 * 4. FUA writes join the flushes, behind the number of their chunk;
 * 5. the rest completes.  The context may be gone by then.
 */
void cow_fault_end(struct cow_ctx *ctx, struct cow_fault *fault)
{
	struct cow_run *run, *next_run;
	struct cow_io *io, *next;
	unsigned long flags;
	LIST_HEAD(done);

	spin_lock_irqsave(&ctx->lock, flags);
	ctx->nr_started--;
	if (is_out_of_space(fault) && __may_hold(ctx, fault)) {
		__fault_hold_again(ctx, fault);
		goto out;
	}
	ctx->stat.copies += fault->copies;
	ctx->stat.skipped += fault->skipped;
	list_for_each_entry(io, &fault->ios, list)
		io->status = io_status(ctx, fault, io);
	list_for_each_entry_safe(run, next_run, &fault->runs, in_fault) {
		if (run->status)
			__run_failed(ctx, run);
		else
			__run_placed(ctx, run);
	}
	rb_erase(&fault->node, &ctx->faults);
	if (!hlist_unhashed(&fault->by_id)) {
		hash_del(&fault->by_id);
		ctx->stat.served++;
	}
	list_del(&fault->queue);
	ctx->stat.outstanding--;
	list_splice_tail_init(&fault->late, &ctx->redo);
	__fault_sort(ctx, fault, &done);
out:
	if (!list_empty(&ctx->redo) || !list_empty(&ctx->flush_new))
		cow_queue(ctx);
	__cow_wake_idle(ctx);
	spin_unlock_irqrestore(&ctx->lock, flags);

	list_for_each_entry_safe(io, next, &done, list) {
		struct bio *bio = cow_io_bio(io);

		list_del(&io->list);
		bio->bi_status = io->status;
		bio_endio(bio);
	}
}

static void fault_put(struct cow_ctx *ctx, struct cow_fault *fault)
{
	if (atomic_dec_and_test(&fault->pending))
		cow_fault_end(ctx, fault);
}

static void run_error(struct cow_run *run, blk_status_t status, bool write_side)
{
	if (!status)
		return;
	run->write_side |= write_side;
	run->status = status;
}

static void clone_end(struct bio *clone)
{
	struct cow_run *run = clone->bi_private;
	struct cow_fault *fault = run->fault;
	struct cow_io *leader = container_of(fault, struct cow_io, fault);
	struct cow_ctx *ctx = leader->ctx;

	run_error(run, clone->bi_status, true);
	bio_put(clone);
	fault_put(ctx, fault);
}

/* The part of a write that lies in [from, to) goes to its place as it is. */
static void write_clone(struct cow_ctx *ctx, struct cow_run *run,
			struct cow_io *io, u64 from, u64 to)
{
	struct bio *bio = cow_io_bio(io), *clone;
	u64 start = max(from, io->sector);
	u64 end = min(to, io_end(io));

	clone = bio_alloc_clone(ctx->devs[run->at.dev].bdev, bio, GFP_NOIO,
				&ctx->clones);
	bio_trim(clone, start - io->sector, end - start);
	/* Who polls knows the bio above, not this one. */
	clone->bi_opf &= ~(REQ_FUA | REQ_POLLED);
	clone->bi_iter.bi_sector = run->at.sector + (start - run_start(ctx, run));
	clone->bi_private = run;
	clone->bi_end_io = clone_end;
	atomic_inc(&run->fault->pending);
	submit_bio_noacct(clone);
}

static void itself_end(struct bio *bio)
{
	struct cow_io *io = dm_per_bio_data(bio, sizeof(*io));
	struct cow_fault *fault = &io->fault;

	run_error(list_first_entry(&fault->runs, struct cow_run, in_fault),
		  bio->bi_status, true);
	cow_bio_restore(io, bio);
	fault_put(io->ctx, fault);
}

/*
 * Is the leader's write all that goes to the fault's places?  One that waits for
 * a commit afterwards, or that somebody polls for, sends a clone.
 */
static bool goes_itself(const struct cow_fault *fault,
			const struct cow_run *run, u64 from, u64 to)
{
	struct cow_io *io = container_of(fault, struct cow_io, fault);

	return list_is_singular(&fault->ios) &&
	       list_is_singular(&fault->runs) && io->sector == from &&
	       io_end(io) == to && from == run_start(io->ctx, run) &&
	       !(cow_io_bio(io)->bi_opf & (REQ_FUA | REQ_POLLED));
}

static void write_direct(struct cow_ctx *ctx, struct cow_fault *fault,
			 struct cow_run *run, u64 from, u64 to)
{
	struct cow_io *io;

	if (goes_itself(fault, run, from, to)) {
		io = list_first_entry(&fault->ios, struct cow_io, list);
		cow_bio_redirect(io, cow_io_bio(io), &run->at, itself_end);
		atomic_inc(&fault->pending);
		submit_bio_noacct(cow_io_bio(io));
		return;
	}
	list_for_each_entry(io, &fault->ios, list) {
		if (io->sector < to && io_end(io) > from)
			write_clone(ctx, run, io, from, to);
	}
}

/* Sectors of whole chunks from a chunk's start on that need no copy. */
static u64 covered_end(struct cow_ctx *ctx, struct cow_fault *fault,
		       struct cow_run *run, u64 from)
{
	u64 end = run_end(ctx, run), chunk = cow_chunk_sectors(ctx), at = from;

	if (run->fill == DM_COW_FILL_NONE)
		return end;
	while (at < end && covered(fault, at, min(at + chunk, end)))
		at += chunk;
	return min(at, end);
}

static void buf_written(struct bio *bio)
{
	struct cow_buf *buf = bio->bi_private;
	struct cow_ctx *ctx = buf->ctx;
	struct cow_fault *fault = buf->run->fault;

	run_error(buf->run, bio->bi_status, true);
	bio_uninit(bio);
	buf_put(buf);
	fault_put(ctx, fault);
}

static void buf_filled(struct cow_buf *buf);

/*
 * Is this inside the call of submit_bio_noacct() that brought the user's write
 * to map()?  There another one only puts its bio into a list and returns, and who
 * has to wait for the place's device when that bio's turn comes is the user.
 * Anybody else who happens to end the read may be needed by that device.
 */
static bool is_submitting(const struct cow_buf *buf)
{
	return buf->frame && current->bio_list == buf->frame &&
	       current == buf->reader && preemptible() && !rcu_preempt_depth();
}

static void buf_read(struct bio *bio)
{
	struct cow_buf *buf = bio->bi_private;
	struct cow_ctx *ctx = buf->ctx;
	unsigned long flags;

	if (is_submitting(buf)) {
		buf_filled(buf);
		return;
	}
	spin_lock_irqsave(&ctx->lock, flags);
	list_add_tail(&buf->list, &ctx->filled);
	cow_queue(ctx);
	spin_unlock_irqrestore(&ctx->lock, flags);
}

static void buf_submit(struct cow_buf *buf, u32 dev, u64 sector,
		       unsigned int sectors, blk_opf_t opf, bio_end_io_t *end)
{
	unsigned int bytes = sectors << SECTOR_SHIFT;

	bio_init(&buf->bio, buf->ctx->devs[dev].bdev, buf->vecs, COW_BUF_PAGES,
		 opf);
	buf->bio.bi_iter.bi_sector = sector;
	buf->bio.bi_private = buf;
	buf->bio.bi_end_io = end;
	buf->bio.bi_vcnt = DIV_ROUND_UP(bytes, PAGE_SIZE);
	buf->bio.bi_iter.bi_size = bytes;
	submit_bio_noacct(&buf->bio);
}

/* Copies bytes of one page of a write into the buffer. */
static void buf_lay(struct cow_buf *buf, unsigned int at, struct bio_vec *vec)
{
	unsigned int done = 0;

	while (done < vec->bv_len) {
		unsigned int offset = (at + done) & (PAGE_SIZE - 1);
		unsigned int bytes = min_t(unsigned int, vec->bv_len - done,
					   PAGE_SIZE - offset);

		memcpy_page(buf_page(buf, at + done), offset, vec->bv_page,
			    vec->bv_offset + done, bytes);
		done += bytes;
	}
}

/* Lays the part of a write that lies in the buffer's range over it. */
static void buf_merge(struct cow_buf *buf, struct cow_io *io)
{
	struct bio *bio = cow_io_bio(io);
	struct bvec_iter from = bio->bi_iter, iter;
	u64 start = max(buf->sector, io->sector);
	u64 end = min(buf->sector + buf->sectors, io_end(io));
	unsigned int at;
	struct bio_vec vec;

	if (start >= end)
		return;
	at = (start - buf->sector) << SECTOR_SHIFT;
	bio_advance_iter(bio, &from, (start - io->sector) << SECTOR_SHIFT);
	from.bi_size = (end - start) << SECTOR_SHIFT;
	__bio_for_each_segment(vec, bio, iter, from) {
		buf_lay(buf, at, &vec);
		at += vec.bv_len;
	}
}

static void buf_write(struct cow_buf *buf)
{
	struct cow_run *run = buf->run;
	struct cow_io *io;
	u64 offset = buf->sector - run_start(buf->ctx, run);

	list_for_each_entry(io, &run->fault->ios, list)
		buf_merge(buf, io);
	buf_submit(buf, run->at.dev, run->at.sector + offset, buf->sectors,
		   REQ_OP_WRITE | REQ_SYNC, buf_written);
}

static void buf_zero(struct cow_buf *buf, unsigned int from)
{
	unsigned int at = from << SECTOR_SHIFT;
	unsigned int end = buf->sectors << SECTOR_SHIFT;

	while (at < end) {
		unsigned int offset = at & (PAGE_SIZE - 1);
		unsigned int bytes = min_t(unsigned int, end - at,
					   PAGE_SIZE - offset);

		memzero_page(buf_page(buf, at), offset, bytes);
		at += bytes;
	}
}

/* Reads what the source has of the piece; what lies behind it is zeros. */
static void buf_fill(struct cow_buf *buf)
{
	struct cow_ctx *ctx = buf->ctx;
	struct cow_run *run = buf->run;
	u64 sector = run->source_sector + buf->sector - run_start(ctx, run);
	u64 size = 0;
	unsigned int sectors;

	if (run->fill == DM_COW_FILL_COPY)
		size = cow_source_sectors(&ctx->devs[run->source_dev]);
	sectors = sector < size ? min_t(u64, size - sector, buf->sectors) : 0;
	buf_zero(buf, sectors);
	buf->reader = current;
	buf->frame = current->bio_list;
	if (sectors)
		buf_submit(buf, run->source_dev, sector, sectors,
			   REQ_OP_READ | REQ_SYNC, buf_read);
	else
		buf_write(buf);
}

/* One piece of a chunk that is not covered; false if no buffer is free. */
static bool copy_piece(struct cow_ctx *ctx, struct cow_fault *fault,
		       struct cow_run *run, u64 end)
{
	struct cow_buf *buf = buf_get(ctx, fault);
	u64 at;

	/* Then somebody else may go on with the fault already. */
	if (!buf)
		return false;
	at = fault->cursor;
	buf->run = run;
	buf->sector = at;
	buf->sectors = min_t(u64, end - at, COW_BUF_SECTORS);
	fault->cursor += buf->sectors;
	atomic_inc(&fault->pending);
	if (covered(fault, at, at + buf->sectors))
		buf_write(buf);
	else
		buf_fill(buf);
	return true;
}

/* Starts the copies of a run from the cursor on; false if out of buffers. */
static bool copy_run(struct cow_ctx *ctx, struct cow_fault *fault,
		     struct cow_run *run)
{
	u64 mask = cow_chunk_sectors(ctx) - 1, end = run_end(ctx, run);

	while (fault->cursor < end) {
		u64 at = fault->cursor;
		u64 chunk_end = min((at | mask) + 1, end);

		if (!(at & mask)) {
			u64 to = covered_end(ctx, fault, run, at);

			if (to > at) {
				fault->skipped += (to - at + mask) >>
						  ctx->chunk_shift;
				fault->cursor = to;
				write_direct(ctx, fault, run, at, to);
				continue;
			}
		}
		if (!copy_piece(ctx, fault, run, chunk_end))
			return false;
		fault->copies += fault->cursor == chunk_end;
	}
	return true;
}

/*
 * Starts what has not been started; false if it must wait for a buffer.  While
 * that goes on the fault has one pending copy more than are under way, which
 * keeps it and its runs.
 */
static bool fault_copy(struct cow_ctx *ctx, struct cow_fault *fault)
{
	struct cow_run *run;

	list_for_each_entry(run, &fault->runs, in_fault) {
		if (fault->cursor < run_end(ctx, run) &&
		    !copy_run(ctx, fault, run))
			return false;
	}
	fault_put(ctx, fault);
	return true;
}

/* Do the writes of the leader cover its run as they are? */
static bool leader_covers(const struct cow_io *io)
{
	const struct cow_fault *fault = &io->fault;
	struct cow_ctx *ctx = io->ctx;
	u64 end = (fault->chunk + fault->count) << ctx->chunk_shift;

	return io->sector == fault->chunk << ctx->chunk_shift &&
	       io_end(io) == min(end, READ_ONCE(ctx->sectors));
}

/**
 * cow_copy_is_short - may map() start the copy of its granted places itself?
 * @io: the leader, and yet the only write, of the fault
 *
 * It may not sleep for a clone, which a write that covers the chunk needs.  Nor
 * does it go through many chunks.
 */
bool cow_copy_is_short(struct cow_io *io)
{
	return io->fault.count == 1 && !leader_covers(io);
}

/**
 * cow_copy_granted - start the copy of places that were granted
 * @io: the leader of a fault for which cow_copy_is_short() was true
 */
void cow_copy_granted(struct cow_io *io)
{
	fault_copy(io->ctx, &io->fault);
}

static struct cow_fault *next_to_copy(struct cow_ctx *ctx)
{
	struct cow_fault *fault;

	spin_lock_irq(&ctx->lock);
	fault = list_first_entry_or_null(&ctx->starved, struct cow_fault,
					 queue);
	if (fault && list_empty(&ctx->bufs) && ctx->nr_bufs >= COW_BUFS_MAX)
		fault = NULL;
	else if (!fault)
		fault = list_first_entry_or_null(&ctx->ready, struct cow_fault,
						 queue);
	if (fault) {
		if (fault->cursor == fault->chunk << ctx->chunk_shift)
			atomic_set(&fault->pending, 1);
		list_move_tail(&fault->queue, &ctx->busy);
	}
	spin_unlock_irq(&ctx->lock);
	return fault;
}

static struct cow_buf *next_filled(struct cow_ctx *ctx)
{
	struct cow_buf *buf;

	spin_lock_irq(&ctx->lock);
	buf = list_first_entry_or_null(&ctx->filled, struct cow_buf, list);
	if (buf)
		list_del(&buf->list);
	spin_unlock_irq(&ctx->lock);
	return buf;
}

static void buf_filled(struct cow_buf *buf)
{
	struct cow_ctx *ctx = buf->ctx;
	struct cow_fault *fault = buf->run->fault;
	blk_status_t status = buf->bio.bi_status;

	bio_uninit(&buf->bio);
	if (!status) {
		buf_write(buf);
		return;
	}
	run_error(buf->run, status, false);
	buf_put(buf);
	fault_put(ctx, fault);
}

/**
 * cow_copy_work - the worker's part of all copies
 * @ctx: the context
 */
void cow_copy_work(struct cow_ctx *ctx)
{
	struct blk_plug plug;
	struct cow_fault *fault;
	unsigned int rounds = 0;
	struct cow_buf *buf;
	bool started;

	blk_start_plug(&plug);
	do {
		buf = next_filled(ctx);
		if (buf)
			buf_filled(buf);
		fault = next_to_copy(ctx);
		/* A starved fault is looked at again when a buffer is back. */
		started = fault && fault_copy(ctx, fault);
		cond_resched();
	} while ((buf || started) && ++rounds < COW_ROUNDS);
	blk_finish_plug(&plug);
	/* What else the worker has to do gets its turn: flushes, say. */
	if (buf || started)
		cow_queue(ctx);
}
