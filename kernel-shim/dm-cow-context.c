// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-cow: idents.
 *
 * A context is shared by all lines of one mapped device that bear its ident,
 * in the active and in the inactive table, and by the controller attached to
 * it.  It ends with its last user; while it has uncommitted places but no line
 * and perhaps no controller it uses itself, and the module with it.
 */
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "dm-cow.h"

/* Guards the list, and what struct cow_ctx says. */
DEFINE_MUTEX(cow_registry);
static LIST_HEAD(cow_contexts);

/* Counts device lists over all idents, so that none is taken for another. */
static u32 cow_generations;

/**
 * cow_queue - let the worker look at its lists
 * @ctx: the context
 *
 * Context: any.
 */
void cow_queue(struct cow_ctx *ctx)
{
	queue_work(ctx->wq, &ctx->work);
}

static void cow_work(struct work_struct *work)
{
	struct cow_ctx *ctx = container_of(work, struct cow_ctx, work);

	cow_direct_work(ctx);
	cow_copy_work(ctx);
	cow_flush_begin(ctx);
	cow_redo(ctx);
}

/* The registry keeps the lines, and with them their tables, in place. */
static void cow_event_work(struct work_struct *work)
{
	struct cow_ctx *ctx = container_of(work, struct cow_ctx, event_work);
	struct cow_line *line;

	if (READ_ONCE(ctx->mode) != COW_MODE_RW)
		cow_fail_writes(ctx);
	mutex_lock(&cow_registry);
	line = list_first_entry_or_null(&ctx->lines, struct cow_line, list);
	if (line)
		dm_table_event(line->ti->table);
	mutex_unlock(&cow_registry);
}

/**
 * __cow_set_mode - the ladder rw, ro, fail; nobody climbs back
 * @ctx: the context; its lock is held
 * @mode: the new mode
 * @why: for the log
 */
void __cow_set_mode(struct cow_ctx *ctx, enum cow_mode mode, const char *why)
{
	static const char * const names[] = { "rw", "read-only", "failed" };

	lockdep_assert_held(&ctx->lock);
	if (mode <= ctx->mode)
		return;
	WRITE_ONCE(ctx->mode, mode);
	DMERR_LIMIT("%s: %s: the device is %s now", ctx->ident, why,
		    names[mode]);
	queue_work(ctx->wq, &ctx->event_work);
}

static void cow_expire_work(struct work_struct *work)
{
	struct cow_ctx *ctx = container_of(to_delayed_work(work),
					   struct cow_ctx, expire_work);
	bool expire;

	spin_lock_irq(&ctx->lock);
	expire = ctx->policy_error && !ctx->chan;
	if (expire)
		ctx->expired = true;
	spin_unlock_irq(&ctx->lock);
	if (!expire)
		return;
	DMWARN_LIMIT("%s: no controller: what waits for one fails", ctx->ident);
	cow_release_held(ctx, BLK_STS_IOERR);
	queue_work(ctx->wq, &ctx->event_work);
}

/**
 * cow_controller_left - nobody serves: the policy's time begins
 * @ctx: the context
 */
void cow_controller_left(struct cow_ctx *ctx)
{
	bool error;
	unsigned int seconds;

	spin_lock_irq(&ctx->lock);
	error = ctx->policy_error;
	seconds = ctx->policy_seconds;
	spin_unlock_irq(&ctx->lock);
	if (error)
		mod_delayed_work(ctx->wq, &ctx->expire_work, seconds * HZ);
}

static void ctx_init_lists(struct cow_ctx *ctx)
{
	INIT_LIST_HEAD(&ctx->lines);
	INIT_LIST_HEAD(&ctx->asking);
	INIT_LIST_HEAD(&ctx->asked);
	INIT_LIST_HEAD(&ctx->held);
	INIT_LIST_HEAD(&ctx->ready);
	INIT_LIST_HEAD(&ctx->starved);
	INIT_LIST_HEAD(&ctx->busy);
	INIT_LIST_HEAD(&ctx->filled);
	INIT_LIST_HEAD(&ctx->redo);
	INIT_LIST_HEAD(&ctx->copying);
	INIT_LIST_HEAD(&ctx->direct_news);
	INIT_LIST_HEAD(&ctx->broken);
	INIT_LIST_HEAD(&ctx->notices);
	INIT_LIST_HEAD(&ctx->flush_new);
	INIT_LIST_HEAD(&ctx->flush_dev);
	INIT_LIST_HEAD(&ctx->flush_commit);
	INIT_LIST_HEAD(&ctx->bufs);
	cow_grant_init(ctx);
	ctx->faults = RB_ROOT;
	ctx->places = RB_ROOT_CACHED;
	hash_init(ctx->fault_ids);
	hash_init(ctx->direct);
	cow_journal_init(&ctx->journal);
}

static void ctx_free(struct cow_ctx *ctx)
{
	if (ctx->wq) {
		cancel_delayed_work_sync(&ctx->expire_work);
		cancel_delayed_work_sync(&ctx->nudge_work);
		destroy_workqueue(ctx->wq);
	}
	cow_places_exit(ctx);
	cow_journal_exit(&ctx->journal);
	cow_grant_exit(ctx);
	bioset_exit(&ctx->clones);
	cow_bufs_exit(ctx);
	cow_map_destroy(&ctx->map);
	mutex_destroy(&ctx->control);
	kfree(ctx->flush_bios);
	kfree(ctx->devs);
	kfree(ctx);
}

static struct cow_ctx *ctx_alloc(struct cow_line *line, const char *ident)
{
	struct cow_ctx *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);

	if (!ctx)
		return NULL;
	refcount_set(&ctx->ref, 1);
	strscpy(ctx->ident, ident, sizeof(ctx->ident));
	ctx->md = dm_table_get_md(line->ti->table);
	spin_lock_init(&ctx->lock);
	ctx_init_lists(ctx);
	INIT_WORK(&ctx->work, cow_work);
	INIT_WORK(&ctx->event_work, cow_event_work);
	INIT_DELAYED_WORK(&ctx->expire_work, cow_expire_work);
	INIT_DELAYED_WORK(&ctx->nudge_work, cow_nudge_work);
	init_waitqueue_head(&ctx->idle);
	init_waitqueue_head(&ctx->wait);
	mutex_init(&ctx->control);
	return ctx;
}

static int ctx_alloc_io(struct cow_ctx *ctx)
{
	int r;

	/* It only starts things, copies and flushes, that others wait for. */
	ctx->wq = alloc_workqueue("dm-cow-%s", WQ_MEM_RECLAIM | WQ_HIGHPRI, 0,
				  ctx->ident);
	if (!ctx->wq)
		return -ENOMEM;
	r = bioset_init(&ctx->clones, 16, 0, BIOSET_NEED_BVECS);
	if (r)
		return r;
	return cow_bufs_init(ctx);
}

static struct cow_ctx *ctx_create(struct cow_line *line, const char *ident,
				  bool userspace, u64 chunk_sectors)
{
	struct cow_ctx *ctx = ctx_alloc(line, ident);

	if (!ctx)
		return NULL;
	ctx->userspace = userspace;
	ctx->chunk_shift = __ffs64(chunk_sectors);
	ctx->devs = kcalloc(line->nr_devs, sizeof(*ctx->devs), GFP_KERNEL);
	ctx->flush_bios = kcalloc(line->nr_devs, sizeof(*ctx->flush_bios),
				  GFP_KERNEL);
	if (!ctx->devs || !ctx->flush_bios || ctx_alloc_io(ctx)) {
		ctx_free(ctx);
		return NULL;
	}
	return ctx;
}

/**
 * cow_ctx_put - give a reference back
 * @ctx: the context, gone perhaps; cow_registry is not held
 *
 * Context: process; may sleep.
 */
void cow_ctx_put(struct cow_ctx *ctx)
{
	if (!refcount_dec_and_mutex_lock(&ctx->ref, &cow_registry))
		return;
	list_del(&ctx->list);
	mutex_unlock(&cow_registry);
	ctx_free(ctx);
}

static struct cow_ctx *ctx_lookup(const char *ident)
{
	struct cow_ctx *ctx;

	lockdep_assert_held(&cow_registry);
	list_for_each_entry(ctx, &cow_contexts, list) {
		if (!strcmp(ctx->ident, ident))
			return ctx;
	}
	return NULL;
}

/**
 * cow_ctx_find - the context of an ident
 * @ident: its name
 *
 * Return: the context with a reference taken, or NULL.
 */
struct cow_ctx *cow_ctx_find(const char *ident)
{
	struct cow_ctx *ctx;

	mutex_lock(&cow_registry);
	ctx = ctx_lookup(ident);
	if (ctx && !refcount_inc_not_zero(&ctx->ref))
		ctx = NULL;
	mutex_unlock(&cow_registry);
	return ctx;
}

/**
 * cow_ctx_next - walk over all idents in byte order
 * @ident: the one before, or ""
 *
 * Return: the next one with a reference taken, or NULL behind the last.
 */
struct cow_ctx *cow_ctx_next(const char *ident)
{
	struct cow_ctx *ctx, *next = NULL;

	mutex_lock(&cow_registry);
	list_for_each_entry(ctx, &cow_contexts, list) {
		if (strcmp(ctx->ident, ident) > 0 &&
		    (!next || strcmp(ctx->ident, next->ident) < 0))
			next = ctx;
	}
	if (next && !refcount_inc_not_zero(&next->ref))
		next = NULL;
	mutex_unlock(&cow_registry);
	return next;
}

static bool kind_writable(enum cow_device_kind kind)
{
	return kind == COW_DEV_COW || kind == COW_DEV_DATA;
}

/* Does the line use a device that the context writes, or the reverse? */
static bool claims_collide(const struct cow_ctx *ctx,
			   const struct cow_line *line, bool userspace)
{
	unsigned int i, j;

	if (ctx->userspace && userspace)
		return false;
	for (i = 0; i < ctx->nr_devs; i++) {
		bool theirs = kind_writable(ctx->devs[i].kind);

		for (j = 0; j < line->nr_devs; j++) {
			bool ours = kind_writable(line->kinds[j]);

			if ((theirs || ours) &&
			    ctx->devs[i].devt == line->bdevs[j]->bd_dev)
				return true;
		}
	}
	return false;
}

static bool claimed_elsewhere(const struct cow_ctx *self,
			      const struct cow_line *line, bool userspace)
{
	struct cow_ctx *ctx;

	list_for_each_entry(ctx, &cow_contexts, list) {
		if (ctx != self && claims_collide(ctx, line, userspace))
			return true;
	}
	return false;
}

/*
 * Without a line nobody has kept the devices open: a loop device, say, may have
 * got another file meanwhile.
 */
static bool same_device(const struct cow_ctx *ctx, unsigned int i,
			const struct block_device *bdev)
{
	return ctx->devs[i].devt == bdev->bd_dev &&
	       (ctx->nr_lines || ctx->devs[i].diskseq == bdev->bd_disk->diskseq);
}

static bool same_devices(const struct cow_ctx *ctx, const struct cow_line *line)
{
	unsigned int i;

	if (ctx->nr_devs != line->nr_devs)
		return false;
	for (i = 0; i < ctx->nr_devs; i++) {
		if (ctx->devs[i].kind != line->kinds[i] ||
		    !same_device(ctx, i, line->bdevs[i]))
			return false;
	}
	return true;
}

/* The place of a last, cut-off chunk would show what nobody filled it with. */
static bool grows_cut_chunk(const struct cow_ctx *ctx, u64 end)
{
	u64 sectors = READ_ONCE(ctx->sectors);

	return end > sectors && (sectors & (cow_chunk_sectors(ctx) - 1));
}

/* A sentence for ti->error, or NULL if the line may join. */
static char *join_refusal(const struct cow_ctx *ctx,
			  const struct cow_line *line, bool userspace,
			  u64 chunk_sectors)
{
	struct dm_target *ti = line->ti;

	if (ctx->nr_lines && ctx->md != dm_table_get_md(ti->table))
		return "Ident is in use by another mapped device";
	if (ctx->userspace != userspace)
		return "Ident is in use by the other target";
	if (cow_chunk_sectors(ctx) != chunk_sectors)
		return "Chunk size differs from that of the ident";
	if (!same_devices(ctx, line))
		return ctx->nr_lines ?
			"Devices differ from those of the ident's other lines" :
			"Ident still has a controller or uncommitted data on other devices";
	if (grows_cut_chunk(ctx, ti->begin + ti->len))
		return "Ident ends inside a chunk and cannot grow";
	return NULL;
}

static void ctx_bind_devices(struct cow_ctx *ctx, const struct cow_line *line)
{
	unsigned int i;

	if (!ctx->generation)
		ctx->generation = ++cow_generations;
	ctx->nr_devs = line->nr_devs;
	ctx->flush_devs = 0;
	for (i = 0; i < line->nr_devs; i++) {
		ctx->devs[i].bdev = line->bdevs[i];
		ctx->devs[i].devt = line->bdevs[i]->bd_dev;
		ctx->devs[i].diskseq = line->bdevs[i]->bd_disk->diskseq;
		ctx->devs[i].sectors = bdev_nr_sectors(line->bdevs[i]);
		ctx->devs[i].kind = line->kinds[i];
		ctx->flush_devs += kind_writable(line->kinds[i]);
	}
}

/* An orphan holds itself and the module; it is one if anything is placed. */
static void set_orphan(struct cow_ctx *ctx)
{
	bool orphan;

	spin_lock_irq(&ctx->lock);
	orphan = __cow_uncommitted(ctx);
	ctx->orphan = orphan;
	spin_unlock_irq(&ctx->lock);
	if (!orphan)
		return;
	refcount_inc(&ctx->ref);
	__module_get(THIS_MODULE);
}

static void clear_orphan(struct cow_ctx *ctx)
{
	spin_lock_irq(&ctx->lock);
	ctx->orphan = false;
	spin_unlock_irq(&ctx->lock);
	/* Never the last: the caller has one of its own. */
	WARN_ON_ONCE(refcount_dec_and_test(&ctx->ref));
	module_put(THIS_MODULE);
}

/* A line again: what was told and wanted because there was none is void. */
static void __ctx_revive(struct cow_ctx *ctx)
{
	if (!ctx->gone)
		return;
	/* Behind the devices; pairs with the acquire in reply_with_devices(). */
	smp_store_release(&ctx->gone, false);
	/* The time without a controller begins anew with the line. */
	ctx->expired = false;
	ctx->left = false;
	ctx->gone_told = false;
	ctx->flush_wanted = 0;
	if (ctx->chan)
		ctx->chan->peeked_gone = false;
	__cow_wake_idle(ctx);
}

static void ctx_add_line(struct cow_ctx *ctx, struct cow_line *line)
{
	u64 end = line->ti->begin + line->ti->len;

	if (!ctx->nr_lines) {
		ctx->md = dm_table_get_md(line->ti->table);
		ctx_bind_devices(ctx, line);
		if (ctx->orphan)
			clear_orphan(ctx);
	}
	spin_lock_irq(&ctx->lock);
	__ctx_revive(ctx);
	WRITE_ONCE(ctx->sectors, max(ctx->sectors, end));
	spin_unlock_irq(&ctx->lock);
	line->ctx = ctx;
	list_add_tail(&line->list, &ctx->lines);
	WRITE_ONCE(ctx->nr_lines, ctx->nr_lines + 1);
}

static int grow_map(struct cow_ctx *ctx, const struct cow_line *line)
{
	struct dm_target *ti = line->ti;
	int r = cow_map_grow(ctx, ti->begin + ti->len);

	if (r)
		ti->error = r == -EFBIG ? "Device has too many chunks" :
					  "Cannot allocate the map";
	return r;
}

static int join_existing(struct cow_ctx *ctx, struct cow_line *line,
			 bool userspace, u64 chunk_sectors)
{
	int r;

	line->ti->error = join_refusal(ctx, line, userspace, chunk_sectors);
	if (line->ti->error)
		return -EBUSY;
	r = grow_map(ctx, line);
	if (r)
		return r;
	refcount_inc(&ctx->ref);
	ctx_add_line(ctx, line);
	return 0;
}

static int join_new(struct cow_ctx *ctx, struct cow_line *line)
{
	int r = grow_map(ctx, line);

	if (r)
		return r;
	list_add_tail(&ctx->list, &cow_contexts);
	ctx_add_line(ctx, line);
	return 0;
}

/* Joins what is there, else the new context, which is set to NULL then. */
static int __ctx_join(struct cow_line *line, struct cow_ctx *ctx,
		      struct cow_ctx **new, bool userspace, u64 chunk_sectors)
{
	int r;

	if (claimed_elsewhere(ctx, line, userspace)) {
		line->ti->error = "A device is claimed by another ident";
		return -EBUSY;
	}
	if (ctx)
		return join_existing(ctx, line, userspace, chunk_sectors);
	r = join_new(*new, line);
	if (!r)
		*new = NULL;
	return r;
}

/**
 * cow_ctx_join - a line finds or makes the context of its ident
 * @line: the line, its devices opened; its ctx is set
 * @ident: the name
 * @userspace: which of the targets it is
 * @chunk_sectors: a power of two
 *
 * Return: 0, or an errno with ti->error set.
 */
int cow_ctx_join(struct cow_line *line, const char *ident, bool userspace,
		 u64 chunk_sectors)
{
	struct cow_ctx *ctx, *new = NULL;
	unsigned int noio;
	int r;

	mutex_lock(&cow_registry);
	ctx = ctx_lookup(ident);
	if (!ctx) {
		/*
		 * Controllers attach under this lock, and a workqueue waits for
		 * kthreadd, which may wait for memory, and so for one of them.
		 */
		mutex_unlock(&cow_registry);
		new = ctx_create(line, ident, userspace, chunk_sectors);
		if (!new) {
			line->ti->error = "Cannot allocate the context";
			return -ENOMEM;
		}
		mutex_lock(&cow_registry);
		ctx = ctx_lookup(ident);
	}
	/* For the same reason no memory may wait for one. */
	noio = memalloc_noio_save();
	r = __ctx_join(line, ctx, &new, userspace, chunk_sectors);
	memalloc_noio_restore(noio);
	mutex_unlock(&cow_registry);
	if (new)
		ctx_free(new);
	return r;
}

static bool __ctx_is_drained(const struct cow_ctx *ctx)
{
	return ctx->gone && !ctx->nr_started && !ctx->flush_active;
}

static bool ctx_is_drained(struct cow_ctx *ctx)
{
	bool drained;

	spin_lock_irq(&ctx->lock);
	drained = __ctx_is_drained(ctx);
	spin_unlock_irq(&ctx->lock);
	return drained;
}

static bool ctx_drained_or_revived(struct cow_ctx *ctx)
{
	bool done;

	spin_lock_irq(&ctx->lock);
	done = !ctx->gone || __ctx_is_drained(ctx);
	spin_unlock_irq(&ctx->lock);
	return done;
}

/*
 * The last line goes.  The order matters:
 * 1. from now on the worker starts no device flush;
 * 2. what is still held fails: no table will ever take it;
 * 3. copies and flushes end, for they use the devices of this line.
 * Nobody waits for them with the registry locked: they may need a controller
 * of another ident.
 */
static void ctx_drain(struct cow_ctx *ctx)
{
	spin_lock_irq(&ctx->lock);
	WRITE_ONCE(ctx->gone, true);
	ctx->gone_told = false;
	spin_unlock_irq(&ctx->lock);
	cow_release_held(ctx, BLK_STS_IOERR);
	mutex_unlock(&cow_registry);
	flush_work(&ctx->work);
	wait_event(ctx->idle, ctx_drained_or_revived(ctx));
	flush_work(&ctx->work);
	mutex_lock(&cow_registry);
}

/*
 * It is gone.  What is committed is forgotten, since the table may now say it
 * otherwise; grants go back; the controller is told, or the context waits for
 * one.
 */
static void ctx_last_line(struct cow_ctx *ctx)
{
	unsigned int i;

	mutex_lock(&ctx->control);
	cow_map_forget(ctx);
	ctx->loading = false;
	spin_lock_irq(&ctx->lock);
	if (ctx->chan && !RB_EMPTY_ROOT(&ctx->granted))
		__cow_grant_revoke(ctx);
	else if (!ctx->chan)
		__cow_grant_forget(ctx);
	ctx->left = true;
	spin_unlock_irq(&ctx->lock);
	mutex_unlock(&ctx->control);
	for (i = 0; i < ctx->nr_devs; i++)
		ctx->devs[i].bdev = NULL;
	set_orphan(ctx);
	wake_up_interruptible(&ctx->wait);
}

/**
 * cow_ctx_leave - a line ends
 * @line: the line; its devices are put after this
 *
 * The last one counts until all is drained, so that nobody takes its ident.
 */
void cow_ctx_leave(struct cow_line *line)
{
	struct cow_ctx *ctx = line->ctx;

	mutex_lock(&cow_registry);
	list_del(&line->list);
	while (ctx->nr_lines == 1 && !ctx_is_drained(ctx))
		ctx_drain(ctx);
	WRITE_ONCE(ctx->nr_lines, ctx->nr_lines - 1);
	if (!ctx->nr_lines)
		ctx_last_line(ctx);
	mutex_unlock(&cow_registry);
	cow_ctx_put(ctx);
}

static bool is_settled_orphan(struct cow_ctx *ctx)
{
	bool settled;

	spin_lock_irq(&ctx->lock);
	settled = ctx->orphan && !__cow_uncommitted(ctx);
	spin_unlock_irq(&ctx->lock);
	return settled;
}

/**
 * cow_ctx_settled - perhaps nothing is uncommitted any more
 * @ctx: the context, of which the caller holds a reference
 *
 * Called for every reply, so the registry is taken for orphans only.
 */
void cow_ctx_settled(struct cow_ctx *ctx)
{
	if (!is_settled_orphan(ctx))
		return;
	mutex_lock(&cow_registry);
	if (is_settled_orphan(ctx))
		clear_orphan(ctx);
	mutex_unlock(&cow_registry);
}

/**
 * cow_context_exit - check that all is gone
 */
void cow_context_exit(void)
{
	WARN_ON_ONCE(!list_empty(&cow_contexts));
	/* What maps have freed is freed by code of this module. */
	rcu_barrier();
}
