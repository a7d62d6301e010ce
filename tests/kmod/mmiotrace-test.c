// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Known accesses in a known order, for tests of mmiotraced in a rig.
 *
 * The device is QEMU's ivshmem-plain with a RAM backend, for its BAR 2: plain memory. It takes every width at every
 * place without a side effect, gives back what was written, and an access costs nothing next to the trap of the tracer,
 * so that the rate is the tracer's own. (pci-testdev and edu run a device model at each access, and give meaning to
 * values and places.)
 *
 * Whoever writes words like these to /dev/mmiotrace-test does the accesses, in its own process, and gets back from the
 * write(2) when they are done:
 *
 *	first=N		the counter's first value (0)
 *	count=N		values to write; 0: until somebody writes "stop" (1)
 *	pattern=TEXT	what one value after the other is written as (4): 1, 2, 4 and 8 are writes of that width, t and f
 *			are memcpy_toio() and memcpy_fromio(), which mmiotrace cannot decode, r is a read of 4 bytes, x is
 *			a write of 4 bytes over the end of a page, of which the process dies if mmiotrace is on
 *	window=N	the place in the BAR, in windows of WINDOW_BYTES (0): one for each process that writes
 *	yield=N		values after which other processes get their turn; 0: never (64)
 *	pause=N		microseconds to sleep after each value (0)
 *
 * The parameters extra_offset and extra_bytes make one more mapping, of such a part of the BAR, that nothing goes through.
 *
 * The counter goes up by one for each access but f. Value N is at the Nth slot of SLOT_BYTES of the window, modulo its
 * size, cut to its width. A read of the descriptor tells the value that comes next; the module's parameter "next" tells
 * it at any time, of whoever was the last to do an access.
 */

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define TEST_BAR 2
#define WINDOWS 16
#define WINDOW_BYTES 32768
#define SLOT_BYTES 16
#define REQUEST_BYTES 256
#define TEST_MAP_BYTES (WINDOWS * WINDOW_BYTES)

struct request {
	u64 first, count, window, yield, pause;
	const char *pattern;
};

/* What an open descriptor gives to read: the value that comes next. */
struct answer {
	char text[24];
	size_t at;
};

/* One at most: the driver refuses a second device. */
static struct {
	struct pci_dev *pdev;
	void __iomem *base, *extra;
	atomic_t stops;
} test;

static ulong test_next;
module_param_named(next, test_next, ulong, 0444);
MODULE_PARM_DESC(next, "The value that comes next");

static ulong extra_offset, extra_bytes;
module_param(extra_offset, ulong, 0);
module_param(extra_bytes, ulong, 0);

static int parse_word(struct request *q, char *word)
{
	const struct {
		const char *key;
		u64 *value;
	} numbers[] = {
		{ "first", &q->first },
		{ "count", &q->count },
		{ "window", &q->window },
		{ "yield", &q->yield },
		{ "pause", &q->pause },
	};
	char *value = strchr(word, '=');
	size_t i;

	if (!value)
		return -EINVAL;
	*value++ = 0;
	if (!strcmp(word, "pattern")) {
		if (!*value || value[strspn(value, "1248tfrx")])
			return -EINVAL;
		q->pattern = value;
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!strcmp(word, numbers[i].key))
			return kstrtou64(value, 0, numbers[i].value);
	return -EINVAL;
}

static int parse_request(char *text, struct request *q)
{
	char *word;
	int r;

	*q = (struct request) { .count = 1, .pattern = "4", .yield = 64 };
	while ((word = strsep(&text, " \n"))) {
		if (!*word)
			continue;
		r = parse_word(q, word);
		if (r < 0)
			return r;
	}
	return q->window < WINDOWS ? 0 : -ERANGE;
}

static void access_once(void __iomem *window, char kind, u64 value)
{
	void __iomem *slot = window + value * SLOT_BYTES % WINDOW_BYTES;
	u64 copy[SLOT_BYTES / sizeof(u64)] = { value, ~value };

	switch (kind) {
	case '1':
		writeb(value, slot);
		break;
	case '2':
		writew(value, slot);
		break;
	case '4':
		writel(value, slot);
		break;
	case '8':
		writeq(value, slot);
		break;
	case 't':
		memcpy_toio(slot, copy, sizeof(copy));
		break;
	case 'f':
		memcpy_fromio(copy, slot, sizeof(copy));
		break;
	case 'r':
		readl(slot);
		break;
	case 'x':
		writel(value, window + PAGE_SIZE - 2);
		break;
	}
}

/* Returns the value that comes next. */
static u64 run(const struct request *q)
{
	void __iomem *window = test.base + q->window * WINDOW_BYTES;
	int stops = atomic_read(&test.stops);
	const char *kind = q->pattern;
	u64 value = q->first, n = 0;

	while (atomic_read(&test.stops) == stops && !fatal_signal_pending(current)) {
		access_once(window, *kind, value++);
		WRITE_ONCE(test_next, value);
		if (!*++kind)
			kind = q->pattern;
		if (++n == q->count)
			break;
		if (q->pause)
			usleep_range(q->pause, q->pause + q->pause / 4 + 1);
		else if (q->yield && n % q->yield == 0)
			cond_resched();
	}
	return value;
}

static ssize_t test_write(struct file *file, const char __user *data, size_t bytes, loff_t *offset)
{
	struct answer *answer = file->private_data;
	struct request q;
	char *text;
	int r;

	if (bytes == 0 || bytes > REQUEST_BYTES)
		return -EINVAL;
	text = memdup_user_nul(data, bytes);
	if (IS_ERR(text))
		return PTR_ERR(text);
	if (!strcmp(strim(text), "stop")) {
		atomic_inc(&test.stops);
		r = 0;
	} else {
		r = parse_request(text, &q);
		if (r == 0) {
			scnprintf(answer->text, sizeof(answer->text), "%llu\n", run(&q));
			answer->at = 0;
		}
	}
	kfree(text);
	return r < 0 ? r : (ssize_t)bytes;
}

static ssize_t test_read(struct file *file, char __user *data, size_t bytes, loff_t *offset)
{
	struct answer *answer = file->private_data;

	/* A shell reads byte by byte. */
	bytes = min(bytes, strlen(answer->text + answer->at));
	if (copy_to_user(data, answer->text + answer->at, bytes))
		return -EFAULT;
	answer->at += bytes;
	return bytes;
}

static int test_open(struct inode *inode, struct file *file)
{
	file->private_data = kzalloc(sizeof(struct answer), GFP_KERNEL);
	return file->private_data ? stream_open(inode, file) : -ENOMEM;
}

static int test_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_open,
	.release = test_release,
	.read = test_read,
	.write = test_write,
};

static struct miscdevice test_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mmiotrace-test",
	.fops = &test_fops,
};

static int test_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int r;

	if (test.pdev)
		return -EBUSY;
	r = pci_enable_device(pdev);
	if (r < 0)
		return r;
	r = -ENODEV;
	if (pci_resource_len(pdev, TEST_BAR) < TEST_MAP_BYTES)
		goto disable;
	r = pci_request_region(pdev, TEST_BAR, KBUILD_MODNAME);
	if (r < 0)
		goto disable;
	r = -ENOMEM;
	/* Uncached, as registers are: pci_iomap() would map a prefetchable BAR otherwise on some machines. */
	test.base = ioremap(pci_resource_start(pdev, TEST_BAR), TEST_MAP_BYTES);
	if (!test.base)
		goto release;
	if (extra_bytes > 0) {
		r = -EINVAL;
		if (extra_bytes > pci_resource_len(pdev, TEST_BAR) ||
		    extra_offset > pci_resource_len(pdev, TEST_BAR) - extra_bytes)
			goto unmap;
		r = -ENOMEM;
		test.extra = ioremap(pci_resource_start(pdev, TEST_BAR) + extra_offset, extra_bytes);
		if (!test.extra)
			goto unmap;
	}
	test.pdev = pdev;
	r = misc_register(&test_misc);
	if (r == 0)
		return 0;
	test.pdev = NULL;
	if (test.extra)
		iounmap(test.extra);
	test.extra = NULL;
unmap:
	iounmap(test.base);
release:
	pci_release_region(pdev, TEST_BAR);
disable:
	pci_disable_device(pdev);
	return r;
}

static void test_remove(struct pci_dev *pdev)
{
	misc_deregister(&test_misc);
	if (test.extra)
		iounmap(test.extra);
	test.extra = NULL;
	iounmap(test.base);
	test.pdev = NULL;
	pci_release_region(pdev, TEST_BAR);
	pci_disable_device(pdev);
}

static const struct pci_device_id test_ids[] = {
	{ PCI_DEVICE(0x1af4, 0x1110) },
	{ }
};
MODULE_DEVICE_TABLE(pci, test_ids);

static struct pci_driver test_driver = {
	.name = "mmiotrace-test",
	.id_table = test_ids,
	.probe = test_probe,
	.remove = test_remove,
};
module_pci_driver(test_driver);

MODULE_DESCRIPTION("Known MMIO accesses in a known order, for tests of mmiotraced");
MODULE_LICENSE("GPL");
