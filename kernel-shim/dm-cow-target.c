// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-cow: the targets "cow" and "userspace".
 *
 *   <start> <len> cow <ident> <base> <cow> <chunk sectors>
 *	[<#features> [layer <dev>] [data <dev>]
 *	 [no_controller wait|error [<seconds>]] ...]
 *   <start> <len> userspace <ident> <chunk sectors> <#devs> <dev>...
 *
 * The devices are numbered in the order of the line.
 */
#include <linux/init.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "compat.h"
#include "dm-cow.h"

/* MAJOR:MINOR, as in struct dm_dev. */
#define COW_DEV_NAME	sizeof_field(struct dm_dev, name)

static int line_add_device(struct cow_line *line, const char *path,
			   enum cow_device_kind kind)
{
	struct dm_target *ti = line->ti;
	bool writable = kind == COW_DEV_COW || kind == COW_DEV_DATA;
	struct dm_dev *dev;
	int r;

	if (line->nr_devs == DM_COW_MAX_DEVICES) {
		ti->error = "Too many devices";
		return -EINVAL;
	}
	r = dm_get_device(ti, path,
			  writable ? dm_table_get_mode(ti->table) :
				     COW_OPEN_READ, &dev);
	if (r) {
		ti->error = kind == COW_DEV_BASE ? "Cannot open the base" :
			    kind == COW_DEV_COW ? "Cannot open the CoW device" :
			    "Cannot open a device";
		return r;
	}
	/* Not dev: it goes when a later line opens the device for writing. */
	line->bdevs[line->nr_devs] = dev->bdev;
	line->kinds[line->nr_devs++] = kind;
	return 0;
}

/* As the core names a device in tables. */
static const char *line_dev_name(const struct cow_line *line, unsigned int i,
				 char name[COW_DEV_NAME])
{
	return format_dev_t(name, line->bdevs[i]->bd_dev);
}

static void line_put_device(struct cow_line *line, unsigned int i)
{
	char name[COW_DEV_NAME];
	struct dm_dev *dev;

	/* It is open, so this only finds what stands for it now. */
	if (WARN_ON_ONCE(dm_get_device(line->ti, line_dev_name(line, i, name),
				       COW_OPEN_READ, &dev)))
		return;
	dm_put_device(line->ti, dev);
	dm_put_device(line->ti, dev);
}

static void line_put_devices(struct cow_line *line)
{
	while (line->nr_devs)
		line_put_device(line, --line->nr_devs);
}

static bool line_writes(const struct cow_line *line, unsigned int dev)
{
	return line->kinds[dev] == COW_DEV_COW ||
	       line->kinds[dev] == COW_DEV_DATA;
}

/* A device that is written may not be anything else as well. */
static int line_check_devices(struct cow_line *line)
{
	unsigned int i, j;

	for (i = 0; i < line->nr_devs; i++) {
		for (j = 0; j < i; j++) {
			if (line->bdevs[i] == line->bdevs[j] &&
			    (line_writes(line, i) || line_writes(line, j))) {
				line->ti->error =
					"A device that is written is given twice";
				return -EINVAL;
			}
		}
	}
	return 0;
}

static int line_check_chunk(struct cow_line *line, u64 chunk)
{
	struct dm_target *ti = line->ti;
	unsigned int i;

	if (ti->begin & (chunk - 1)) {
		ti->error = "Line does not begin on a chunk";
		return -EINVAL;
	}
	for (i = 0; i < line->nr_devs; i++) {
		struct block_device *bdev = line->bdevs[i];

		if (chunk << SECTOR_SHIFT < bdev_logical_block_size(bdev)) {
			ti->error = "Chunk is smaller than a logical block";
			return -EINVAL;
		}
		if (bdev_nr_sectors(bdev) >= COW_MAX_SECTORS) {
			ti->error = "Device is larger than 8 PiB";
			return -EINVAL;
		}
	}
	return 0;
}

static int parse_ident(struct dm_target *ti, const char *ident)
{
	size_t len = strlen(ident);

	if (len && len < DM_COW_IDENT_LEN)
		return 0;
	ti->error = "Ident is empty or too long";
	return -EINVAL;
}

static int parse_chunk(struct dm_target *ti, const char *arg, u64 *chunk)
{
	if (kstrtou64(arg, 10, chunk) || !is_power_of_2(*chunk) ||
	    *chunk > 1ULL << COW_MAX_CHUNK_SHIFT) {
		ti->error = "Chunk is not a power of two of sectors, at most 1 GiB";
		return -EINVAL;
	}
	return 0;
}

static int parse_no_controller(struct cow_line *line, struct dm_arg_set *as,
			       unsigned int *features)
{
	const char *what = *features ? dm_shift_arg(as) : NULL;

	if (!what || (strcmp(what, "wait") && strcmp(what, "error"))) {
		line->ti->error = "no_controller takes wait or error";
		return -EINVAL;
	}
	--*features;
	line->has_policy = true;
	line->policy_error = !strcmp(what, "error");
	line->policy_seconds = 0;
	if (line->policy_error && *features &&
	    !kstrtouint(as->argv[0], 10, &line->policy_seconds)) {
		dm_shift_arg(as);
		--*features;
	}
	if (line->policy_seconds > 86400) {
		line->ti->error = "no_controller waits a day at most";
		return -EINVAL;
	}
	return 0;
}

static int parse_feature(struct cow_line *line, struct dm_arg_set *as,
			 unsigned int *features)
{
	const char *name = dm_shift_arg(as);

	--*features;
	if (!strcmp(name, "no_controller"))
		return parse_no_controller(line, as, features);
	if (strcmp(name, "layer") && strcmp(name, "data")) {
		line->ti->error = "Unknown feature";
		return -EINVAL;
	}
	if (!*features) {
		line->ti->error = "Feature lacks its device";
		return -EINVAL;
	}
	--*features;
	return line_add_device(line, dm_shift_arg(as),
			       *name == 'l' ? COW_DEV_LAYER : COW_DEV_DATA);
}

static int parse_features(struct cow_line *line, struct dm_arg_set *as)
{
	static const struct dm_arg args[] = {
		{ 0, 2 * DM_COW_MAX_DEVICES + 3, "Invalid number of features" },
	};
	struct dm_target *ti = line->ti;
	unsigned int features;
	int r;

	if (!as->argc)
		return 0;
	r = dm_read_arg_group(args, as, &features, &ti->error);
	while (!r && features)
		r = parse_feature(line, as, &features);
	if (!r && as->argc) {
		ti->error = "Arguments behind the features";
		r = -EINVAL;
	}
	return r;
}

static void line_limits(struct dm_target *ti)
{
	ti->num_flush_bios = 1;
	ti->flush_supported = true;
	ti->limit_swap_bios = true;
	ti->per_io_data_size = sizeof(struct cow_io);
}

static struct cow_line *line_alloc(struct dm_target *ti)
{
	struct cow_line *line = kzalloc(sizeof(*line), GFP_KERNEL);

	if (!line) {
		ti->error = "Cannot allocate the line";
		return NULL;
	}
	line->ti = ti;
	return line;
}

static void line_free(struct cow_line *line)
{
	line_put_devices(line);
	kfree(line);
}

/* What both constructors do with what they have parsed. */
static int line_join(struct cow_line *line, const char *ident, bool userspace,
		     u64 chunk)
{
	int r = line_check_devices(line);

	if (!r)
		r = line_check_chunk(line, chunk);
	if (!r)
		r = cow_ctx_join(line, ident, userspace, chunk);
	if (r)
		return r;
	line->ti->private = line;
	line_limits(line->ti);
	return 0;
}

static int parse_cow(struct cow_line *line, struct dm_arg_set *as)
{
	const char *ident;
	u64 chunk;
	int r;

	if (as->argc < 4) {
		line->ti->error = "Arguments: <ident> <base> <cow> <chunk> [<#features> ...]";
		return -EINVAL;
	}
	ident = dm_shift_arg(as);
	r = parse_ident(line->ti, ident);
	if (!r)
		r = line_add_device(line, dm_shift_arg(as), COW_DEV_BASE);
	if (!r)
		r = line_add_device(line, dm_shift_arg(as), COW_DEV_COW);
	if (!r)
		r = parse_chunk(line->ti, dm_shift_arg(as), &chunk);
	if (!r)
		r = parse_features(line, as);
	return r ? r : line_join(line, ident, false, chunk);
}

static int parse_userspace(struct cow_line *line, struct dm_arg_set *as)
{
	static const struct dm_arg args[] = {
		{ 1, DM_COW_MAX_DEVICES, "Invalid number of devices" },
	};
	const char *ident;
	unsigned int devs;
	u64 chunk;
	int r;

	if (as->argc < 4) {
		line->ti->error = "Arguments: <ident> <chunk> <#devs> <dev>...";
		return -EINVAL;
	}
	ident = dm_shift_arg(as);
	r = parse_ident(line->ti, ident);
	if (!r)
		r = parse_chunk(line->ti, dm_shift_arg(as), &chunk);
	if (!r)
		r = dm_read_arg_group(args, as, &devs, &line->ti->error);
	if (!r && devs != as->argc) {
		line->ti->error = "Number of devices differs from the devices given";
		r = -EINVAL;
	}
	while (!r && as->argc)
		r = line_add_device(line, dm_shift_arg(as), COW_DEV_DATA);
	return r ? r : line_join(line, ident, true, chunk);
}

static int line_ctr(struct dm_target *ti, unsigned int argc, char **argv,
		    int (*parse)(struct cow_line *line, struct dm_arg_set *as))
{
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	struct cow_line *line = line_alloc(ti);
	int r;

	if (!line)
		return -ENOMEM;
	r = parse(line, &as);
	if (r)
		line_free(line);
	return r;
}

static int cow_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	return line_ctr(ti, argc, argv, parse_cow);
}

static int userspace_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	return line_ctr(ti, argc, argv, parse_userspace);
}

static void cow_dtr(struct dm_target *ti)
{
	struct cow_line *line = ti->private;

	cow_ctx_leave(line);
	line_free(line);
}

/**
 * cow_map_long - what cow_map() leaves over
 * @ti: the line
 * @bio: the bio
 *
 * Return: DM_MAPIO_*.
 */
int cow_map_long(struct dm_target *ti, struct bio *bio)
{
	struct cow_io *io = dm_per_bio_data(bio, sizeof(*io));
	struct cow_line *line = ti->private;

	io->ctx = line->ctx;
	io->ti = ti;
	io->sector = bio->bi_iter.bi_sector;
	io->status = BLK_STS_OK;
	if (bio->bi_opf & REQ_PREFLUSH)
		return cow_flush_io(io);
	if (bio_op(bio) != REQ_OP_READ && bio_op(bio) != REQ_OP_WRITE)
		return DM_MAPIO_KILL;
	if (!bio_sectors(bio)) {
		/* Nobody sends such a one; it would be in no chunk. */
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}
	if (bio_op(bio) == REQ_OP_WRITE && cow_direct_map(io, bio))
		return DM_MAPIO_REMAPPED;
	return cow_map_io(io, true);
}

/*
 * A noflush suspend swaps tables.  The clones that we hold belong to the old
 * one, so they go back to the core, which sends their originals to the new
 * one.  What is being copied ends by itself, and the core waits for it.  There
 * is nothing to undo: cow_pushback() asks the core.
 */
static void cow_presuspend(struct dm_target *ti)
{
	struct cow_line *line = ti->private;

	line->noflush = dm_noflush_suspending(ti);
	if (line->noflush)
		cow_release_held(line->ctx, BLK_STS_DM_REQUEUE);
}

static bool is_committed(struct cow_ctx *ctx)
{
	bool committed;

	spin_lock_irq(&ctx->lock);
	committed = !__cow_uncommitted(ctx) || !ctx->chan ||
		    ctx->mode != COW_MODE_RW;
	spin_unlock_irq(&ctx->lock);
	return committed;
}

/* No bio is left.  A flushing suspend leaves nothing uncommitted either. */
static void cow_postsuspend(struct dm_target *ti)
{
	struct cow_line *line = ti->private;
	struct cow_ctx *ctx = line->ctx;
	bool wait;

	spin_lock_irq(&ctx->lock);
	wait = !line->noflush && !ctx->waited;
	if (wait) {
		/* Once for all lines; remove comes this way, too. */
		ctx->waited = true;
		__cow_commit_soon(ctx);
	}
	spin_unlock_irq(&ctx->lock);
	if (wait)
		wait_event_timeout(ctx->idle, is_committed(ctx),
				   msecs_to_jiffies(COW_SUSPEND_WAIT));
}

static void cow_resume(struct dm_target *ti)
{
	struct cow_line *line = ti->private;
	struct cow_ctx *ctx = line->ctx;
	bool controlled;

	spin_lock_irq(&ctx->lock);
	ctx->waited = false;
	/* Another time begins anew. */
	if (!line->policy_error || line->policy_seconds != ctx->policy_seconds)
		ctx->expired = false;
	ctx->policy_error = line->policy_error;
	ctx->policy_seconds = line->policy_seconds;
	controlled = ctx->chan;
	spin_unlock_irq(&ctx->lock);
	if (!controlled)
		cow_controller_left(ctx);
}

static const char *mode_name(enum cow_mode mode)
{
	static const char * const names[] = { "rw", "ro", "fail" };

	return names[mode];
}

/*
 * <placed>/<total> chunks <uncommitted> <faults outstanding>
 * <age of the oldest in ms> <grants left> attached|absent <faults served>
 * <copies> <copies skipped> <errors> rw|ro|fail <map bytes>
 */
static void status_info(struct cow_ctx *ctx, char *result, unsigned int maxlen)
{
	unsigned int sz = 0;
	u64 oldest;

	spin_lock_irq(&ctx->lock);
	oldest = cow_fault_oldest_ms(ctx);
	DMEMIT("%llu/%llu %llu %llu %llu %llu %s %llu %llu %llu %llu %s %ld",
	       ctx->stat.placed, cow_nr_chunks(ctx), ctx->stat.uncommitted,
	       ctx->stat.outstanding, oldest,
	       ctx->pool_left + ctx->range_left,
	       ctx->chan ? "attached" : "absent", ctx->stat.served,
	       ctx->stat.copies, ctx->stat.skipped, ctx->stat.errors,
	       mode_name(ctx->mode), atomic_long_read(&ctx->map.bytes));
	spin_unlock_irq(&ctx->lock);
}

static unsigned int emit_policy(struct cow_line *line, char *result,
				unsigned int maxlen, unsigned int sz)
{
	if (!line->has_policy)
		return sz;
	DMEMIT(" no_controller %s", line->policy_error ? "error" : "wait");
	if (line->policy_error && line->policy_seconds)
		DMEMIT(" %u", line->policy_seconds);
	return sz;
}

static unsigned int count_features(const struct cow_line *line)
{
	unsigned int features = 2 * (line->nr_devs - 2);

	if (line->has_policy)
		features += 2;
	if (line->policy_error && line->policy_seconds)
		features++;
	return features;
}

static void table_cow(struct cow_line *line, char *result, unsigned int maxlen)
{
	struct cow_ctx *ctx = line->ctx;
	char base[COW_DEV_NAME], name[COW_DEV_NAME];
	unsigned int sz = 0, i;

	DMEMIT("%s %s %s %llu", ctx->ident, line_dev_name(line, 0, base),
	       line_dev_name(line, 1, name), cow_chunk_sectors(ctx));
	if (!count_features(line))
		return;
	DMEMIT(" %u", count_features(line));
	for (i = 2; i < line->nr_devs; i++)
		DMEMIT(" %s %s", line->kinds[i] == COW_DEV_LAYER ?
		       "layer" : "data", line_dev_name(line, i, name));
	emit_policy(line, result, maxlen, sz);
}

static void table_userspace(struct cow_line *line, char *result,
			    unsigned int maxlen)
{
	struct cow_ctx *ctx = line->ctx;
	char name[COW_DEV_NAME];
	unsigned int sz = 0, i;

	DMEMIT("%s %llu %u", ctx->ident, cow_chunk_sectors(ctx), line->nr_devs);
	for (i = 0; i < line->nr_devs; i++)
		DMEMIT(" %s", line_dev_name(line, i, name));
}

static void status_ima(struct dm_target *ti, char *result, unsigned int maxlen)
{
	struct cow_line *line = ti->private;
	unsigned int sz = 0;

	DMEMIT_TARGET_NAME_VERSION(ti->type);
	DMEMIT(",ident=%s,chunk_sectors=%llu;", line->ctx->ident,
	       cow_chunk_sectors(line->ctx));
}

static void cow_status(struct dm_target *ti, status_type_t type,
		       unsigned int status_flags, char *result,
		       unsigned int maxlen)
{
	struct cow_line *line = ti->private;

	switch (type) {
	case STATUSTYPE_INFO:
		status_info(line->ctx, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		if (line->ctx->userspace)
			table_userspace(line, result, maxlen);
		else
			table_cow(line, result, maxlen);
		break;
	case STATUSTYPE_IMA:
		status_ima(ti, result, maxlen);
		break;
	}
}

/*
 * commit: as the controller's timer does; waits for nothing
 * read_only: down the ladder, by hand
 */
static int cow_message(struct dm_target *ti, unsigned int argc, char **argv,
		       char *result, unsigned int maxlen)
{
	struct cow_line *line = ti->private;
	struct cow_ctx *ctx = line->ctx;
	int r = 0;

	if (argc != 1)
		return -EINVAL;
	spin_lock_irq(&ctx->lock);
	if (!strcmp(argv[0], "commit"))
		__cow_commit_soon(ctx);
	else if (!strcmp(argv[0], "read_only"))
		__cow_set_mode(ctx, COW_MODE_RO, "message");
	else
		r = -EINVAL;
	spin_unlock_irq(&ctx->lock);
	return r;
}

static int cow_iterate_devices(struct dm_target *ti,
			       iterate_devices_callout_fn fn, void *data)
{
	struct cow_line *line = ti->private;
	unsigned int i;
	int r = 0;

	for (i = 0; !r && i < line->nr_devs; i++) {
		struct dm_dev dev = { .bdev = line->bdevs[i] };
		u64 size = bdev_nr_sectors(dev.bdev);

		line_dev_name(line, i, dev.name);
		/* A base may end early: zeros behind it. */
		if (line->kinds[i] == COW_DEV_BASE &&
		    ti->begin + ti->len <= size)
			r = fn(ti, &dev, ti->begin, ti->len, data);
		else
			r = fn(ti, &dev, 0, size, data);
	}
	return r;
}

static void cow_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct cow_line *line = ti->private;
	u64 bytes = cow_chunk_sectors(line->ctx) << SECTOR_SHIFT;

	limits->io_min = max_t(u64, limits->io_min, bytes);
	limits->io_opt = max_t(u64, limits->io_opt, bytes);
}

static struct target_type cow_target = {
	.name = "cow",
	.version = { 1, 0, 0 },
	.module = THIS_MODULE,
	.ctr = cow_ctr,
	.dtr = cow_dtr,
	.map = cow_map,
	.presuspend = cow_presuspend,
	.postsuspend = cow_postsuspend,
	.resume = cow_resume,
	.status = cow_status,
	.message = cow_message,
	.iterate_devices = cow_iterate_devices,
	.io_hints = cow_io_hints,
};

static struct target_type userspace_target = {
	.name = "userspace",
	.version = { 1, 0, 0 },
	.module = THIS_MODULE,
	.ctr = userspace_ctr,
	.dtr = cow_dtr,
	.map = cow_map,
	.presuspend = cow_presuspend,
	.postsuspend = cow_postsuspend,
	.resume = cow_resume,
	.status = cow_status,
	.message = cow_message,
	.iterate_devices = cow_iterate_devices,
	.io_hints = cow_io_hints,
};

static int __init dm_cow_init(void)
{
	int r;

	r = cow_fault_init();
	if (r)
		return r;
	r = cow_channel_init();
	if (r)
		goto out_fault;
	r = dm_register_target(&cow_target);
	if (r)
		goto out_channel;
	r = dm_register_target(&userspace_target);
	if (r)
		goto out_target;
	return 0;

out_target:
	dm_unregister_target(&cow_target);
out_channel:
	cow_channel_exit();
out_fault:
	cow_fault_exit();
	return r;
}

static void __exit dm_cow_exit(void)
{
	dm_unregister_target(&userspace_target);
	dm_unregister_target(&cow_target);
	cow_channel_exit();
	cow_context_exit();
	cow_fault_exit();
}

module_init(dm_cow_init);
module_exit(dm_cow_exit);

MODULE_DESCRIPTION(DM_NAME " copy-on-write with allocation in userspace");
MODULE_AUTHOR("The dm-cow authors");
MODULE_LICENSE("GPL");
MODULE_ALIAS("dm-userspace");
