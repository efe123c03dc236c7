// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-cow: what the controller answers.
 *
 * A reply is checked completely before it changes anything.  What it says is
 * untrusted: nothing in it may lead to more than an errno.
 */
#include <linux/uaccess.h>

#include "dm-cow.h"

/* Records on the stack at once. */
#define COW_WRITE_BATCH	8

static_assert(sizeof(struct dm_cow_reply) == 72);
static_assert(offsetof(struct dm_cow_reply, generation) == 68);

/* Fields of a reply, for the ops that take them. */
enum {
	F_FILL = 1 << 0,
	F_ID = 1 << 1,
	F_CHUNKS = 1 << 2,
	F_PLACE = 1 << 3,
	F_NUMBER = 1 << 4,
	F_SOURCE = 1 << 5,
	F_ERROR = 1 << 6,
};

static const u8 reply_fields[] = {
	[DM_COW_OP_MAP] = F_CHUNKS | F_PLACE,
	[DM_COW_OP_KNOWN] = F_CHUNKS | F_PLACE,
	[DM_COW_OP_PLACE] = F_FILL | F_ID | F_CHUNKS | F_PLACE | F_SOURCE,
	[DM_COW_OP_ERROR] = F_ID | F_ERROR,
	[DM_COW_OP_HOLD] = F_ID,
	[DM_COW_OP_RETRY] = 0,
	[DM_COW_OP_FLUSHED] = F_NUMBER | F_ERROR,
	[DM_COW_OP_COMMIT] = 0,
	[DM_COW_OP_ABANDON] = 0,
	[DM_COW_OP_GRANT] = F_CHUNKS | F_PLACE,
	[DM_COW_OP_REVOKE] = 0,
	[DM_COW_OP_LOAD] = 0,
	[DM_COW_OP_REST] = F_CHUNKS | F_PLACE,
};

/* Is every field zero that the op does not take? */
static bool reply_is_clean(const struct dm_cow_reply *r)
{
	u8 takes = reply_fields[r->op];

	return (takes & F_FILL || !r->fill) &&
	       (takes & F_ID || !r->id) &&
	       (takes & F_CHUNKS || (!r->chunk && !r->count)) &&
	       (takes & F_PLACE || (!r->sector && !r->device)) &&
	       (takes & F_NUMBER || !r->number) &&
	       (takes & F_SOURCE || (!r->source_sector && !r->source_device)) &&
	       (takes & F_ERROR || !r->error);
}

static bool chunks_valid(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	u64 chunks = cow_nr_chunks(ctx);

	return r->count && r->chunk < chunks && r->count <= chunks - r->chunk;
}

/* Sectors of the run that the device has; its last chunk may be cut off. */
static u64 reply_sectors(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	u64 end = (r->chunk + r->count) << ctx->chunk_shift;

	return min(end, READ_ONCE(ctx->sectors)) -
	       (r->chunk << ctx->chunk_shift);
}

static bool sector_aligned(struct block_device *bdev, u64 sector)
{
	return !(sector & ((bdev_logical_block_size(bdev) >> SECTOR_SHIFT) - 1));
}

/* Sectors from the place on to the end of its device; 0: it is no place. */
static u64 place_room(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	struct block_device *bdev;
	u64 size;

	if (r->device >= ctx->nr_devs || !cow_dev_writable(ctx, r->device))
		return 0;
	bdev = ctx->devs[r->device].bdev;
	/* It may have grown since the line was made, which looked at this. */
	size = min_t(u64, bdev_nr_sectors(bdev), COW_MAX_SECTORS);
	return sector_aligned(bdev, r->sector) && r->sector < size ?
		size - r->sector : 0;
}

/* For chunks that are valid: they have sectors, so that room for none is none. */
static bool place_valid(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	return reply_sectors(ctx, r) <= place_room(ctx, r);
}

/* A source may end early, and even lie beyond its device: zeros. */
static bool source_valid(struct cow_ctx *ctx, u32 dev, u64 sector)
{
	if (dev == DM_COW_DEV_ZERO)
		return !sector;
	return dev < ctx->nr_devs && sector < COW_MAX_SECTORS &&
	       sector_aligned(ctx->devs[dev].bdev, sector);
}

static bool fill_valid(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	if (r->fill == DM_COW_FILL_COPY)
		return r->source_device != DM_COW_DEV_ZERO &&
		       source_valid(ctx, r->source_device, r->source_sector);
	return (r->fill == DM_COW_FILL_ZERO || r->fill == DM_COW_FILL_NONE) &&
	       !r->source_device && !r->source_sector;
}

static int map_range(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	int err = cow_map_reserve(ctx, r->chunk, r->count, COW_GFP_REPLY);

	if (!err) {
		cow_map_commit_range(ctx, r);
		cow_fault_told(ctx, r->chunk, r->count, true);
	}
	cow_map_release(ctx);
	return err;
}

static int reply_map(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	int err;

	if (!chunks_valid(ctx, r) || !place_valid(ctx, r))
		return -EINVAL;
	spin_lock_irq(&ctx->lock);
	err = __cow_grant_collides(ctx, r->device, r->sector, r->chunk,
				   r->count) ? -EBUSY : 0;
	spin_unlock_irq(&ctx->lock);
	if (!err)
		err = cow_map_may_map(ctx, r);
	if (!err && cow_fault_forbids_map(ctx, r->chunk, r->count))
		err = -EEXIST;
	return err ? err : map_range(ctx, r);
}

static int reply_known(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	struct cow_range range = {
		.chunk = r->chunk,
		.end = r->chunk + r->count,
		.sector = r->sector,
		.dev = r->device,
	};
	int err;

	if (!chunks_valid(ctx, r) || !source_valid(ctx, r->device, r->sector))
		return -EINVAL;
	err = cow_known_tell(ctx, &range);
	if (!err)
		cow_fault_told(ctx, r->chunk, r->count, false);
	return err;
}

/*
 * It covers chunks with places, since all of these were told before.  One that
 * was refused, or told of a table that went since, would read as if it had none.
 */
static int reply_rest(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	return ctx->loading ? reply_known(ctx, r) : -ECANCELED;
}

/*
 * The worker starts the copies of faults that were answered in full.  Once for
 * all replies: then writers that asked together go on together.
 *
 * The look without ctx->lock sees what this thread put there; what others did
 * they queue themselves.
 */
static void start_answered(struct cow_ctx *ctx)
{
	if (!list_empty(&ctx->ready))
		cow_queue(ctx);
}

static int reply_place(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	int err;

	if (ctx->userspace || !chunks_valid(ctx, r) || !place_valid(ctx, r) ||
	    !fill_valid(ctx, r))
		return -EINVAL;
	err = cow_fault_place(ctx, r, COW_GFP_MAP_IO);
	if (err != -ENOMEM)
		return err;
	/* Memory may come free only when these copies are through. */
	start_answered(ctx);
	return cow_fault_place(ctx, r, COW_GFP_REPLY);
}

/* The places of a pool are good for any chunk, so all are there in full. */
static bool pool_valid(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	return r->count && r->count <= COW_MAX_POOL &&
	       r->count <= place_room(ctx, r) >> ctx->chunk_shift;
}

static int reply_grant(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	bool valid;

	if (r->chunk == DM_COW_ANY_CHUNK)
		valid = pool_valid(ctx, r);
	else
		valid = chunks_valid(ctx, r) && place_valid(ctx, r);
	return valid && !ctx->userspace ? cow_grant(ctx, r) : -EINVAL;
}

static int reply_revoke(struct cow_ctx *ctx)
{
	spin_lock_irq(&ctx->lock);
	__cow_grant_revoke(ctx);
	spin_unlock_irq(&ctx->lock);
	return 0;
}

static int reply_retry(struct cow_ctx *ctx)
{
	spin_lock_irq(&ctx->lock);
	cow_fault_ask_again(ctx, &ctx->held);
	spin_unlock_irq(&ctx->lock);
	return 0;
}

static int reply_commit(struct cow_ctx *ctx)
{
	bool writable;

	spin_lock_irq(&ctx->lock);
	writable = ctx->mode == COW_MODE_RW;
	__cow_commit_soon(ctx);
	spin_unlock_irq(&ctx->lock);
	return writable ? 0 : -EROFS;
}

static bool errno_valid(u32 error)
{
	return error <= MAX_ERRNO;
}

/* Devices are there until a last line has waited for ctx->control. */
static int reply_with_devices(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	/* Pairs with the release in __ctx_revive(). */
	if (smp_load_acquire(&ctx->gone))
		return -ENODEV;
	/* The others wait for memory. */
	if (r->op != DM_COW_OP_PLACE)
		start_answered(ctx);
	switch (r->op) {
	case DM_COW_OP_MAP:
		return reply_map(ctx, r);
	case DM_COW_OP_KNOWN:
		return reply_known(ctx, r);
	case DM_COW_OP_REST:
		return reply_rest(ctx, r);
	case DM_COW_OP_GRANT:
		return reply_grant(ctx, r);
	default:
		return reply_place(ctx, r);
	}
}

static int reply_dispatch(struct cow_ctx *ctx, const struct dm_cow_reply *r)
{
	switch (r->op) {
	case DM_COW_OP_MAP:
	case DM_COW_OP_KNOWN:
	case DM_COW_OP_REST:
	case DM_COW_OP_PLACE:
	case DM_COW_OP_GRANT:
		return reply_with_devices(ctx, r);
	case DM_COW_OP_LOAD:
		ctx->loading = true;
		return 0;
	case DM_COW_OP_ERROR:
		return r->error && errno_valid(r->error) ?
			cow_fault_error(ctx, r->id, r->error) : -EINVAL;
	case DM_COW_OP_HOLD:
		return cow_fault_hold(ctx, r->id);
	case DM_COW_OP_RETRY:
		return reply_retry(ctx);
	case DM_COW_OP_FLUSHED:
		return errno_valid(r->error) ?
			cow_flushed(ctx, r->number, r->error) : -EINVAL;
	case DM_COW_OP_COMMIT:
		return reply_commit(ctx);
	case DM_COW_OP_REVOKE:
		return reply_revoke(ctx);
	default:
		return cow_abandon(ctx);
	}
}

/* Features that were not negotiated do not exist. */
static bool op_served(const struct cow_ctx *ctx, u32 op)
{
	if (!op || op >= ARRAY_SIZE(reply_fields))
		return false;
	if (op == DM_COW_OP_GRANT || op == DM_COW_OP_REVOKE)
		return ctx->features & DM_COW_F_GRANT;
	if (op == DM_COW_OP_LOAD || op == DM_COW_OP_REST)
		return ctx->features & DM_COW_F_LOAD;
	return true;
}

static int reply_one(struct cow_chan *chan, const struct dm_cow_reply *r)
{
	struct cow_ctx *ctx = chan->ctx;

	/* Whoever takes over waits for ctx->control; who leaves is in no call. */
	if (READ_ONCE(ctx->chan) != chan || r->generation != ctx->generation)
		return -ESTALE;
	if (!op_served(ctx, r->op) || !reply_is_clean(r))
		return -EINVAL;
	if (READ_ONCE(ctx->picture) && r->op != DM_COW_OP_MAP &&
	    r->op != DM_COW_OP_KNOWN)
		return -EBUSY;
	return reply_dispatch(ctx, r);
}

static int reply_checked(struct cow_chan *chan, const struct dm_cow_reply *r)
{
	int err = reply_one(chan, r);

	/* One that is to be tried again comes before all others. */
	if (err && err != -ENOMEM && err != -ESTALE &&
	    r->op == DM_COW_OP_MAP)
		chan->ctx->loading = false;
	/* These are normal: a table swap, or the end of the table, was faster. */
	if (err && err != -ENOENT && err != -ENODEV && err != -ECANCELED)
		DMWARN_LIMIT("%s: reply %u for chunk %llu refused: error %d",
			     chan->ctx->ident, r->op, r->chunk, err);
	return err;
}

/* Returns the records that were accepted; err is that of the one behind. */
static size_t chan_write_batch(struct cow_chan *chan, const char __user *from,
			       size_t count, int *err)
{
	struct dm_cow_reply replies[COW_WRITE_BATCH];
	size_t i;

	if (copy_from_user(replies, from, count * sizeof(*replies))) {
		*err = -EFAULT;
		return 0;
	}
	for (i = 0; i < count; i++) {
		*err = reply_checked(chan, &replies[i]);
		if (*err)
			break;
	}
	return i;
}

/**
 * cow_replies_write - carry out replies up to the first that is refused
 * @chan: an attached channel; the control mutex of its context is held
 * @from: the records
 * @records: how many
 * @err: 0 before; the errno of the refused one after
 *
 * Return: records that were accepted.
 */
size_t cow_replies_write(struct cow_chan *chan, const char __user *from,
			 size_t records, int *err)
{
	size_t done = 0;

	while (done < records && !*err) {
		size_t batch = min_t(size_t, records - done, COW_WRITE_BATCH);

		done += chan_write_batch(chan, from +
					 done * sizeof(struct dm_cow_reply),
					 batch, err);
		/* A large write must not outlive who is to end. */
		if (!*err && done < records && fatal_signal_pending(current))
			*err = -EINTR;
	}
	start_answered(chan->ctx);
	return done;
}
