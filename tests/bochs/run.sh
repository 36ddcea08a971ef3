#!/bin/sh
# Runs tests on an x86-64 processor that this machine has not: Bochs emulates one,
# boots a Linux kernel on it, and that runs the static test programs. README.md says
# what has to be there.
#
#	tests/bochs/run.sh [-c CPU] [-f FEATURES] [-k KERNEL] PACKAGE [TEST FLAG...]
set -eu

bochs=${BOCHS:-bochs}
share=${BXSHARE:-/usr/share/bochs}
display=${BOCHS_DISPLAY:-nogui}
cpu=corei7_skylake_x features='' kernel=
while getopts c:f:k: o; do
	case $o in
	c) cpu=$OPTARG ;;
	f) features=$OPTARG ;;
	k) kernel=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || { echo "usage: $0 [-c CPU] [-f FEATURES] [-k KERNEL] PACKAGE [TEST FLAG...]" >&2; exit 2; }
[ -n "$kernel" ] || kernel=$(ls /boot/vmlinuz-* 2>/dev/null | tail -1)
[ -f "$kernel" ] || { echo "no kernel to boot: -k KERNEL" >&2; exit 2; }
package=$1
shift
[ -z "$features" ] || features=", add_features=\"$features\""

at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
root=$at/root iso=$at/iso
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/work" "$iso/isolinux"

CGO_ENABLED=0 go test -c -ldflags="-s -w" -o "$root/work/tests" "$package"
dir=$(go list -f '{{.Dir}}' "$package")
find "$dir" -mindepth 1 -maxdepth 1 \( -name '*.go' -o -name testdata \) -exec cp -r {} "$root/work/" \;
cp "$(command -v busybox)" "$root/bin/busybox"
{
	echo 'cd /work && export TMPDIR=/tmp HOME=/tmp GOMAXPROCS=1'
	printf './tests -test.timeout 0'
	for flag; do printf " '%s'" "$flag"; done
	echo
} >"$root/work/run"
cat >"$root/init" <<'END'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev 2>/dev/null
exec >/dev/ttyS0 2>&1
/bin/busybox sh /work/run
echo "tests ended: $?"
/bin/busybox sleep 5 # until the serial line has written all
/bin/busybox poweroff -f
END
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$iso/initrd"

# The kernel must not measure time against what is emulated, nor test its own cryptography for minutes.
cp "$kernel" "$iso/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$iso/isolinux/"
cat >"$iso/isolinux/isolinux.cfg" <<'END'
DEFAULT teff
PROMPT 0
LABEL teff
  KERNEL /vmlinuz
  INITRD /initrd
  APPEND quiet console=ttyS0 nokaslr mitigations=off lpj=1000000 panic=1 cryptomgr.notests=1 noxsaves no_timer_check tsc=unstable clocksource=jiffies random.trust_cpu=on
END
xorriso -as mkisofs -quiet -o "$at/boot.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat \
	-no-emul-boot -boot-load-size 4 -boot-info-table "$iso" 2>/dev/null

cat >"$at/bochsrc" <<END
display_library: $display
cpu: model=$cpu, count=1, ips=200000000, reset_on_triple_fault=0$features
memory: guest=1536, host=1536
romimage: file=$share/BIOS-bochs-latest
vgaromimage: file=$share/VGABIOS-lgpl-latest
boot: cdrom
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$at/boot.iso, status=inserted
com1: enabled=1, mode=file, dev=$at/serial
clock: sync=none, time0=local
log: $at/log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
END
: >"$at/serial"
tail -f "$at/serial" &
shown=$!
"$bochs" -q -f "$at/bochsrc" >"$at/out" 2>&1 </dev/null || true
sleep 1
kill $shown 2>/dev/null || true
grep -q '^tests ended: ' "$at/serial" || { echo "never ended: $(tail -n 3 "$at/log")" >&2; exit 1; }
grep -q '^tests ended: 0' "$at/serial"
