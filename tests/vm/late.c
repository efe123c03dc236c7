// SPDX-License-Identifier: MIT
// Attaches to an ident, is taken over by itself, and answers late: all must be refused.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
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

int main(int argc, char **argv)
{
	struct dm_cow_reply reply = { .op = DM_COW_OP_MAP, .count = 1 };
	struct dm_cow_event event;
	struct pollfd poller = { .events = POLLIN };
	int first, second, bad = 0;

	if (argc != 2)
		return 2;
	first = attach(argv[1], 0, &reply.generation);
	bad |= expect("second attach", attach(argv[1], 0, &reply.generation), EBUSY);
	second = attach(argv[1], DM_COW_ATTACH_TAKEOVER, &reply.generation);
	if (first < 0 || second < 0)
		return 1;
	bad |= expect("late reply", write(first, &reply, sizeof(reply)), ESTALE);
	bad |= expect("late read", read(first, &event, sizeof(event)), ESTALE);
	poller.fd = first;
	poll(&poller, 1, 0);
	bad |= !(poller.revents & POLLHUP);
	bad |= write(second, &reply, sizeof(reply)) != sizeof(reply);
	reply.generation++;
	bad |= expect("old generation", write(second, &reply, sizeof(reply)), ESTALE);
	return bad;
}
