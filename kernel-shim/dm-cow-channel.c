// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-cow: the char device, and who is attached through it.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dm-cow.h"

static_assert(sizeof(struct dm_cow_attach) == 208);
static_assert(offsetof(struct dm_cow_attach, ident) == 80);
static_assert(sizeof(struct dm_cow_list) == 144);
static_assert(offsetof(struct dm_cow_list, uncommitted) == 136);
static_assert(sizeof(struct dm_cow_exchange) == 32);
static_assert(offsetof(struct dm_cow_exchange, error) == 28);

/* Records that one EXCHANGE takes, and that it gives; no sum of them overflows. */
#define COW_EXCHANGE_MAX	(1024 * 1024)

static struct cow_ctx *chan_ctx(struct cow_chan *chan)
{
	/* Pairs with the release in chan_attach(). */
	return smp_load_acquire(&chan->ctx);
}

static ssize_t cow_chan_read(struct file *file, char __user *to, size_t count,
			     loff_t *pos)
{
	struct cow_chan *chan = file->private_data;
	struct cow_ctx *ctx = chan_ctx(chan);
	ssize_t r;

	if (!ctx)
		return -ENOTCONN;
	if (count < sizeof(struct dm_cow_event))
		return -EINVAL;
	for (;;) {
		if (mutex_lock_interruptible(&chan->read_mutex))
			return -ERESTARTSYS;
		r = cow_events_read(chan, to, count, true);
		mutex_unlock(&chan->read_mutex);
		if (r)
			return r;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(ctx->wait, cow_chan_ready(chan)))
			return -ERESTARTSYS;
	}
}

/*
 * Carries out replies up to the first that is refused, for which it sets err.
 * Returns how many; or ERESTARTSYS, and nothing has happened.
 */
static ssize_t chan_reply(struct cow_chan *chan, const char __user *from,
			  size_t records, int *err)
{
	struct cow_ctx *ctx = chan->ctx;
	unsigned int noio;
	size_t done;

	/* Whoever answers must not need an answer to get memory. */
	noio = memalloc_noio_save();
	if (mutex_lock_interruptible(&ctx->control)) {
		memalloc_noio_restore(noio);
		return -ERESTARTSYS;
	}
	done = cow_replies_write(chan, from, records, err);
	mutex_unlock(&ctx->control);
	memalloc_noio_restore(noio);
	cow_ctx_settled(ctx);
	return done;
}

static ssize_t cow_chan_write(struct file *file, const char __user *from,
			      size_t count, loff_t *pos)
{
	struct cow_chan *chan = file->private_data;
	ssize_t done;
	int err = 0;

	if (!chan_ctx(chan))
		return -ENOTCONN;
	if (!count || count % sizeof(struct dm_cow_reply))
		return -EINVAL;
	done = chan_reply(chan, from, count / sizeof(struct dm_cow_reply),
			  &err);
	if (done < 0)
		return done;
	return done ? done * sizeof(struct dm_cow_reply) : err;
}

static __poll_t cow_chan_poll(struct file *file, poll_table *wait)
{
	struct cow_chan *chan = file->private_data;
	struct cow_ctx *ctx = chan_ctx(chan);
	__poll_t mask = EPOLLOUT | EPOLLWRNORM;

	if (!ctx)
		return EPOLLERR;
	poll_wait(file, &ctx->wait, wait);
	spin_lock_irq(&ctx->lock);
	if (ctx->chan != chan)
		mask = EPOLLHUP | EPOLLERR;
	else if (__cow_is_ready(ctx))
		mask |= EPOLLIN | EPOLLRDNORM;
	spin_unlock_irq(&ctx->lock);
	return mask;
}

/* Zero-terminated, and zero behind that. */
static bool ident_valid(const char *ident)
{
	size_t len = strnlen(ident, DM_COW_IDENT_LEN);

	return len < DM_COW_IDENT_LEN &&
	       !memchr_inv(ident + len, 0, DM_COW_IDENT_LEN - len);
}

static int attach_check(const struct dm_cow_attach *arg)
{
	if (arg->version != DM_COW_ABI_VERSION ||
	    arg->event_size != sizeof(struct dm_cow_event) ||
	    arg->reply_size != sizeof(struct dm_cow_reply))
		return -EPROTO;
	if (arg->flags & ~DM_COW_ATTACH_TAKEOVER)
		return -EINVAL;
	return ident_valid(arg->ident) ? 0 : -EINVAL;
}

static u32 __ctx_state(const struct cow_ctx *ctx)
{
	return (ctx->userspace ? DM_COW_S_USERSPACE : 0) |
	       (ctx->gone ? DM_COW_S_GONE : 0) |
	       (ctx->mode != COW_MODE_RW ? DM_COW_S_READ_ONLY : 0) |
	       (ctx->chan ? DM_COW_S_CONTROLLED : 0);
}

static u32 __ctx_owner(const struct cow_ctx *ctx)
{
	return ctx->chan ? pid_vnr(ctx->chan->owner) : 0;
}

static void __ask_all_again(struct cow_ctx *ctx)
{
	struct cow_fault *fault;
	struct cow_io *io;

	list_for_each_entry(fault, &ctx->asking, queue)
		fault->peeked = false;
	cow_fault_ask_again(ctx, &ctx->asked);
	cow_fault_ask_again(ctx, &ctx->held);
	ctx->flush_sent = 0;
	ctx->flush_wanted = 0;
	if (!list_empty(&ctx->flush_commit)) {
		io = list_last_entry(&ctx->flush_commit, struct cow_io, list);
		ctx->flush_wanted = io->number;
	}
	ctx->gone_told = false;
}

static void __attach(struct cow_chan *chan, struct cow_ctx *ctx,
		     struct dm_cow_attach *arg)
{
	WRITE_ONCE(ctx->chan, chan);
	ctx->epoch++;
	ctx->expired = false;
	arg->features &= DM_COW_F_OFFERED;
	ctx->features = arg->features;
	__ask_all_again(ctx);
	__cow_make_picture(ctx);
	arg->generation = ctx->generation;
	arg->epoch = ctx->epoch;
	arg->chunk_sectors = cow_chunk_sectors(ctx);
	arg->sectors = ctx->sectors;
	arg->number = ctx->number;
	arg->uncommitted = ctx->number - ctx->committed;
	arg->devices = ctx->nr_devs;
	arg->state = __ctx_state(ctx);
	/* The one before it sleeps in read, EXCHANGE or poll: it must see. */
	wake_up(&ctx->wait);
}

static int ctx_attach(struct cow_chan *chan, struct cow_ctx *ctx,
		      struct dm_cow_attach *arg)
{
	bool known;
	int r = 0;

	mutex_lock(&ctx->control);
	known = cow_known_all(ctx);
	spin_lock_irq(&ctx->lock);
	arg->owner = __ctx_owner(ctx);
	if (ctx->chan && !(arg->flags & DM_COW_ATTACH_TAKEOVER))
		r = -EBUSY;
	else
		__attach(chan, ctx, arg);
	spin_unlock_irq(&ctx->lock);
	if (!r)
		ctx->loading = false;
	mutex_unlock(&ctx->control);
	if (!r && known)
		arg->state |= DM_COW_S_KNOWN;
	return r;
}

static int chan_attach(struct cow_chan *chan, struct dm_cow_attach *arg)
{
	struct cow_ctx *ctx;
	int r = attach_check(arg);

	if (r)
		return r;
	if (chan->ctx)
		return -EISCONN;
	ctx = cow_ctx_find(arg->ident);
	if (!ctx)
		return -ENOENT;
	chan->owner = get_task_pid(current, PIDTYPE_TGID);
	r = ctx_attach(chan, ctx, arg);
	if (r) {
		put_pid(chan->owner);
		chan->owner = NULL;
		cow_ctx_put(ctx);
		return r;
	}
	/* All of the channel is set up; pairs with chan_ctx(). */
	smp_store_release(&chan->ctx, ctx);
	return 0;
}

static int ioctl_attach(struct cow_chan *chan,
			struct dm_cow_attach __user *user)
{
	struct dm_cow_attach arg;
	int r;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	mutex_lock(&chan->read_mutex);
	r = chan_attach(chan, &arg);
	mutex_unlock(&chan->read_mutex);
	/* EBUSY tells the owner. */
	if ((!r || r == -EBUSY) && copy_to_user(user, &arg, sizeof(arg)))
		return -EFAULT;
	return r;
}

static int ioctl_list(struct dm_cow_list __user *user)
{
	struct dm_cow_list arg;
	struct cow_ctx *ctx;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	if (!ident_valid(arg.ident))
		return -EINVAL;
	ctx = cow_ctx_next(arg.ident);
	if (!ctx)
		return -ENOENT;
	memset(&arg, 0, sizeof(arg));
	strscpy(arg.ident, ctx->ident, sizeof(arg.ident));
	spin_lock_irq(&ctx->lock);
	arg.state = __ctx_state(ctx);
	arg.owner = __ctx_owner(ctx);
	arg.uncommitted = ctx->number - ctx->committed;
	spin_unlock_irq(&ctx->lock);
	cow_ctx_put(ctx);
	return copy_to_user(user, &arg, sizeof(arg)) ? -EFAULT : 0;
}

/*
 * Sleeps until a read would return at once, or WAKE was called, and then reads.
 * A signal, too, ends it: there is no event then.
 */
static ssize_t chan_await(struct cow_chan *chan, char __user *to, size_t count,
			  s32 timeout_ms)
{
	long timeout = timeout_ms < 0 ? MAX_SCHEDULE_TIMEOUT :
					msecs_to_jiffies(timeout_ms);
	ssize_t r;

	if (wait_event_interruptible_timeout(chan->ctx->wait,
					     cow_chan_awaited(chan),
					     timeout) < 0)
		return 0;
	if (mutex_lock_interruptible(&chan->read_mutex))
		return 0;
	/* Who does not wait wants to know all there is. */
	r = cow_events_read(chan, to, count, !timeout_ms);
	mutex_unlock(&chan->read_mutex);
	return r;
}

/*
 * Once a reply was looked at, nothing that comes behind may hide what became of
 * it, or the caller would send it twice; whatever went wrong is still so when it
 * calls again.
 */
static int chan_exchange(struct cow_chan *chan, struct dm_cow_exchange *arg)
{
	u32 records = min_t(u32, arg->nr_replies, COW_EXCHANGE_MAX);
	u32 events = min_t(u32, arg->nr_events, COW_EXCHANGE_MAX);
	bool all = records == arg->nr_replies;
	ssize_t r = 0;
	int err = 0;

	if (records)
		r = chan_reply(chan, u64_to_user_ptr(arg->replies), records,
			       &err);
	if (r < 0)
		return r;
	arg->nr_replies = r;
	arg->nr_events = 0;
	arg->error = -err;
	if (err || !all || !events)
		return 0;
	r = chan_await(chan, u64_to_user_ptr(arg->events),
		       events * sizeof(struct dm_cow_event), arg->timeout_ms);
	if (r < 0)
		return records ? 0 : r;
	arg->nr_events = r / sizeof(struct dm_cow_event);
	return 0;
}

static int ioctl_exchange(struct cow_chan *chan,
			  struct dm_cow_exchange __user *user)
{
	struct dm_cow_exchange arg;
	int r;

	if (!chan_ctx(chan))
		return -ENOTCONN;
	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	if (arg.timeout_ms < -1)
		return -EINVAL;
	r = chan_exchange(chan, &arg);
	if (r)
		return r;
	return copy_to_user(user, &arg, sizeof(arg)) ? -EFAULT : 0;
}

static int ioctl_wake(struct cow_chan *chan)
{
	struct cow_ctx *ctx = chan_ctx(chan);

	if (!ctx)
		return -ENOTCONN;
	spin_lock_irq(&ctx->lock);
	chan->woken = true;
	wake_up_interruptible(&ctx->wait);
	spin_unlock_irq(&ctx->lock);
	return 0;
}

static long cow_chan_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	switch (cmd) {
	case DM_COW_IOC_ATTACH:
		return ioctl_attach(file->private_data, (void __user *)arg);
	case DM_COW_IOC_LIST:
		return ioctl_list((void __user *)arg);
	case DM_COW_IOC_EXCHANGE:
		return ioctl_exchange(file->private_data, (void __user *)arg);
	case DM_COW_IOC_WAKE:
		return ioctl_wake(file->private_data);
	default:
		return -ENOTTY;
	}
}

static int cow_chan_open(struct inode *inode, struct file *file)
{
	struct cow_chan *chan;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	chan = kzalloc(sizeof(*chan), GFP_KERNEL);
	if (!chan)
		return -ENOMEM;
	chan->buf = (void *)__get_free_page(GFP_KERNEL);
	if (!chan->buf) {
		kfree(chan);
		return -ENOMEM;
	}
	mutex_init(&chan->read_mutex);
	file->private_data = chan;
	return nonseekable_open(inode, file);
}

/* Faults that were read and not answered go back to be asked again. */
static void chan_detach(struct cow_chan *chan, struct cow_ctx *ctx)
{
	bool left;

	spin_lock_irq(&ctx->lock);
	left = ctx->chan == chan;
	if (left) {
		WRITE_ONCE(ctx->chan, NULL);
		WRITE_ONCE(ctx->picture, false);
		__cow_forget_notices(ctx);
		__ask_all_again(ctx);
		__cow_wake_idle(ctx);
	}
	spin_unlock_irq(&ctx->lock);
	if (left)
		cow_controller_left(ctx);
	cow_ctx_put(ctx);
}

static int cow_chan_release(struct inode *inode, struct file *file)
{
	struct cow_chan *chan = file->private_data;

	if (chan->ctx)
		chan_detach(chan, chan->ctx);
	put_pid(chan->owner);
	free_page((unsigned long)chan->buf);
	mutex_destroy(&chan->read_mutex);
	kfree(chan);
	return 0;
}

static const struct file_operations cow_chan_fops = {
	.owner = THIS_MODULE,
	.open = cow_chan_open,
	.release = cow_chan_release,
	.read = cow_chan_read,
	.write = cow_chan_write,
	.poll = cow_chan_poll,
	.unlocked_ioctl = cow_chan_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice cow_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dm-cow",
	.mode = 0600,
	.fops = &cow_chan_fops,
};

/**
 * cow_channel_init - /dev/dm-cow appears
 */
int cow_channel_init(void)
{
	return misc_register(&cow_misc);
}

/**
 * cow_channel_exit - and goes
 */
void cow_channel_exit(void)
{
	misc_deregister(&cow_misc);
}
