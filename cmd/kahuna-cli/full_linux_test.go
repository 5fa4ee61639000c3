package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A disk that is full when the store is closed: the answer stands, standard error
// says so, and the data is there once there is room again. One disk is a small
// file system that is filled, where the machine lets its users mount one; the
// other is a limit on the size of files, which every process may set.
func TestFullDisk(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "kahuna-cli")
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	limited := filepath.Join(t.TempDir(), "data")
	fillAndClose(t, launch(t, exec.Command(link, "--embedded", limited, "batch", "-")))
	checkStored(t, launch(t, exec.Command(link, "--embedded", limited, "batch", "-")))
	dir := t.TempDir()
	if exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", dir).Run() != nil {
		t.Log("this machine mounts no file systems for its users: only the limit was tested")
		return
	}
	out, err := exec.Command("unshare", "-rm", "sh", "-c", onFullFileSystem, "sh", link, dir, storeMuch, countMuch).CombinedOutput()
	text := regexp.MustCompile(`\d+ms`).ReplaceAllString(string(out), "0ms")
	want := regexp.MustCompile(`^r- stored 0ms\nstatus 1\nkahuna-cli: close: .*no space left on device\nkahuna-cli: what was answered stands: .*\nr- 500 0ms\n$`)
	if err != nil || !want.MatchString(text) {
		t.Errorf("%v\n%s", err, text)
	}
}

const (
	storeMuch = `for i in 1..500 do set (concat("k", i)) repeat("x", 1000) end return "stored"`
	countMuch = "return count by prefix 'k'"
)

// onFullFileSystem runs the command $1 in a file system of its own at $2: it sends
// the script $3, fills the file system, ends the command, makes room, and runs the
// script $4.
const onFullFileSystem = `
mount -t tmpfs -o size=40m tmpfs "$2" || exit
cd "$2"
mkfifo in out
"$1" --embedded data batch - <in >out 2>err &
exec 3>in 4<out
printf '%s\n---\n' "$3" >&3
read -r answer <&4
echo "$answer"
cat /dev/zero >fill 2>/dev/null
exec 3>&-
wait $!
echo "status $?"
cat err
rm fill
"$1" --embedded data -e "$4"
`

// fillAndClose lets a script be answered, lets files grow no more, and ends the
// command.
func fillAndClose(t *testing.T, p *process) {
	t.Helper()
	if got := p.send(storeMuch); !strings.HasPrefix(got, "r- stored ") {
		t.Fatalf("%q\n%s", got, &p.stderr)
	}
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 100, Max: unix.RLIM_INFINITY}, nil); err != nil {
		t.Fatal(err)
	}
	_ = p.in.Close()
	if status := p.wait(); status != exitFailed {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"file too large", "what was answered stands"} {
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("standard error does not say %q: %s", want, &p.stderr)
		}
	}
}

// checkStored looks for what was answered.
func checkStored(t *testing.T, p *process) {
	t.Helper()
	if got := p.send(countMuch); !strings.HasPrefix(got, "r- 500 ") {
		t.Errorf("%q\n%s", got, &p.stderr)
	}
	_ = p.in.Close()
	if status := p.wait(); status != exitOK {
		t.Errorf("status %d\n%s", status, &p.stderr)
	}
}
