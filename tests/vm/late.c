// SPDX-License-Identifier: MIT
// Attaches to an ident, is taken over by itself while it waits, and answers late: all must be refused.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/dm-cow.h>

static int attach(const char *ident, __u32 flags, __u32 *generation)
{
	struct dm_cow_attach arg = {
		.version = DM_COW_ABI_VERSION,
		.event_size = sizeof(struct dm_cow_event),
		.reply_size = sizeof(struct dm_cow_reply),
		.flags = flags,
	};
	int fd = open("/dev/dm-cow", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(arg.ident, sizeof(arg.ident), "%s", ident);
	if (fd < 0 || ioctl(fd, DM_COW_IOC_ATTACH, &arg))
		return -1;
	*generation = arg.generation;
	return fd;
}

static int expect(const char *what, long result, int want)
{
	int ok = result < 0 && errno == want;

	printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
	return ok ? 0 : 1;
}

/* One reply, if any, and then a wait without end for one event. */
static int exchange(int fd, const struct dm_cow_reply *reply, struct dm_cow_exchange *x)
{
	struct dm_cow_event event;

	*x = (struct dm_cow_exchange){
		.replies = (uintptr_t)reply, .nr_replies = reply ? 1 : 0,
		.events = (uintptr_t)&event, .nr_events = 1, .timeout_ms = -1,
	};
	return ioctl(fd, DM_COW_IOC_EXCHANGE, x);
}

/* Reads the picture, which has no places, and then waits in a child. */
static pid_t start_waiting(int fd)
{
	struct dm_cow_exchange x;
	pid_t child;

	if (exchange(fd, NULL, &x) || x.nr_events != 1)
		return -1;
	child = fork();
	if (child == 0)
		_exit(expect("taken over while it waits", exchange(fd, NULL, &x), ESTALE));
	/* It sleeps by then; else it is refused at once, which is right, too. */
	usleep(200000);
	return child;
}

int main(int argc, char **argv)
{
	struct dm_cow_reply reply = { .op = DM_COW_OP_MAP, .count = 1 };
	struct dm_cow_event event;
	struct pollfd poller = { .events = POLLIN };
	struct dm_cow_exchange x;
	int first, second, status, bad = 0;
	pid_t waiting;

	if (argc != 2)
		return 2;
	first = attach(argv[1], 0, &reply.generation);
	bad |= expect("second attach", attach(argv[1], 0, &reply.generation), EBUSY);
	waiting = start_waiting(first);
	second = attach(argv[1], DM_COW_ATTACH_TAKEOVER, &reply.generation);
	if (first < 0 || second < 0)
		return 1;
	bad |= expect("late reply", write(first, &reply, sizeof(reply)), ESTALE);
	bad |= waiting < 0 || waitpid(waiting, &status, 0) != waiting || status;
	bad |= exchange(first, &reply, &x) || x.nr_replies || x.error != ESTALE;
	bad |= expect("late wait", exchange(first, NULL, &x), ESTALE);
	bad |= expect("late read", read(first, &event, sizeof(event)), ESTALE);
	poller.fd = first;
	poll(&poller, 1, 0);
	bad |= !(poller.revents & POLLHUP);
	bad |= write(second, &reply, sizeof(reply)) != sizeof(reply);
	reply.generation++;
	bad |= expect("old generation", write(second, &reply, sizeof(reply)), ESTALE);
	return bad;
}
