package main

import (
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// screen is the command in a real terminal, that of tmux, which has a server of its
// own.
type screen struct {
	t            *testing.T
	socket, home string
}

// openScreen starts the shell on a terminal of 80 columns.
func openScreen(t *testing.T, rows int, env ...string) *screen {
	t.Helper()
	s := newScreen(t)
	s.start(rows, fmt.Sprintf("env HOME=%s XDG_STATE_HOME= INPUTRC=/dev/null %s %s --embedded %s; echo status $?; exec sleep 600",
		s.home, strings.Join(env, " "), filepath.Join(s.home, "kahuna-cli"), filepath.Join(s.home, "data")))
	s.wait(`kahuna-cli>$`)
	return s
}

// newScreen returns a terminal that is still to be started. Its home has the
// command.
func newScreen(t *testing.T) *screen {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil && os.Getenv("CI") == "" {
		t.Skip("tmux is not installed; .ci/run installs it")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// The path of a socket is short.
	sockets, err := os.MkdirTemp("", "kh")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "kahuna-cli")); err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, socket: filepath.Join(sockets, "s"), home: dir}
	t.Cleanup(func() {
		_, _ = s.try("kill-server")
		_ = os.RemoveAll(sockets)
	})
	return s
}

func (s *screen) start(rows int, command string) {
	s.t.Helper()
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", fmt.Sprint(rows), command)
}

func (s *screen) try(args ...string) (string, error) {
	cmd := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TMUX=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	out, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return out
}

// text is what the screen shows, with the times taken out.
func (s *screen) text() string {
	s.t.Helper()
	text := strings.TrimRight(s.tmux("capture-pane", "-p"), "\n ")
	return regexp.MustCompile(`\d+ms`).ReplaceAllString(text, "0ms")
}

// wait waits until the screen matches a pattern.
func (s *screen) wait(pattern string) {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.Now().Add(60 * time.Second)
	for {
		text := s.text()
		if re.MatchString(text) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("no match of %q on the screen:\n%s", pattern, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// waitForBytes waits until the terminal gives every byte as it is typed.
func (s *screen) waitForBytes() {
	s.t.Helper()
	tty := strings.TrimSpace(s.tmux("display-message", "-p", "#{pane_tty}"))
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		state, err := exec.Command("stty", "-F", tty, "-a").CombinedOutput()
		if err == nil && strings.Contains(string(state), "-icanon") {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the terminal still edits lines: %v\n%s\n%s", err, state, s.text())
		}
	}
}

// enter types a line and Enter.
func (s *screen) enter(line string) {
	s.t.Helper()
	s.tmux("send-keys", "-l", line)
	s.tmux("send-keys", "Enter")
}

// paste pastes a text as the terminal does, and waits until its end is shown.
func (s *screen) paste(text, shown string) {
	s.t.Helper()
	file := filepath.Join(s.home, "paste")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.tmux("load-buffer", file)
	s.tmux("paste-buffer", "-p")
	s.wait(shown)
}

// leave ends the shell by Ctrl-D on an empty line.
func (s *screen) leave() {
	s.t.Helper()
	s.tmux("send-keys", "C-d")
	s.wait(`status 0$`)
}

func (s *screen) shows(want string) {
	s.t.Helper()
	if got := s.text(); got != strings.Trim(want, "\n") {
		s.t.Errorf("the screen shows\n%s\nwant\n%s", got, want)
	}
}

const banner = "Type a script, or help. Ctrl-C drops what was typed, Ctrl-D leaves.\n"

func TestScreen(t *testing.T) {
	s := openScreen(t, 40)
	s.enter("set stock 3")
	s.wait(`r0 set 0ms\nkahuna-cli>$`)
	// What is typed is a script when the syntax says so.
	for _, line := range []string{"if to_int(get stock) > 0 then", "", `  return "there is some"`, "end"} {
		s.enter(line)
	}
	s.wait(`there is some 0ms\nkahuna-cli>$`)
	// What is pasted is one script: the guard throws, and what stands behind it
	// does not run.
	s.paste("if to_int(get stock) < 5 then throw \"too few\" end\n\nset stock 0", `set stock 0$`)
	s.tmux("send-keys", "Enter")
	s.wait(`error: too few\n.*\n.*\^\nkahuna-cli>$`)
	s.enter("get stock")
	s.wait(`r0 3 0ms\nkahuna-cli>$`)
	// Ctrl-C drops what was typed.
	s.tmux("send-keys", "-l", "set stock")
	s.wait(`set stock$`)
	s.tmux("send-keys", "C-c")
	s.wait(`set stock\n*kahuna-cli>$`)
	s.enter("hlep")
	s.wait(`did you mean help`)
	s.wait(`kahuna-cli>$`)
	s.leave()
	s.shows(banner + `kahuna-cli> set stock 3
r0 set 0ms
kahuna-cli> if to_int(get stock) > 0 then

              return "there is some"
            end
r- there is some 0ms
kahuna-cli> if to_int(get stock) < 5 then throw "too few" end

            set stock 0
error: too few
  1 | if to_int(get stock) < 5 then throw "too few" end
    |                               ^
kahuna-cli> get stock
r0 3 0ms
kahuna-cli> set stock

kahuna-cli> hlep
kahuna-cli: hlep is no command; did you mean help?
error: Syntax error: unexpected 'hlep', expected a statement
  1 | hlep
    | ^
kahuna-cli>

status 0`)
}

// Ctrl-C stops the script that runs and tells the outcome, also at the bottom of
// the screen, where every line scrolls.
func TestScreenInterrupt(t *testing.T) {
	s := openScreen(t, 6)
	for i := range 4 {
		s.enter(fmt.Sprintf("return %d", i))
		s.wait(fmt.Sprintf(`r- %d 0ms\nkahuna-cli>$`, i))
	}
	s.enter("set half 1 sleep 60s")
	s.wait(`sleep 60s$`)
	s.tmux("send-keys", "C-c")
	s.wait(`nothing of it remains 0ms\nkahuna-cli>$`)
	s.enter("exists half")
	s.wait(`r- not exists 0ms\nkahuna-cli>$`)
	s.shows(`
aborted: interrupted; nothing of it remains 0ms
kahuna-cli> exists half
r- not exists 0ms
kahuna-cli>`)
	s.leave()
}

// A line may be longer than a terminal takes, 4,095 bytes, and than the screen.
func TestScreenLongLine(t *testing.T) {
	s := openScreen(t, 12)
	s.paste(`return len("`+strings.Repeat("x", 6000)+`")`, `x"\)$`)
	s.tmux("send-keys", "Enter")
	s.wait(`r- 6000 0ms\nkahuna-cli>$`)
	s.leave()
}

// The history is the user's, also of earlier sessions, and has no values of
// parameters.
func TestScreenHistory(t *testing.T) {
	s := openScreen(t, 24)
	s.enter("param who=secret-1")
	s.wait(`kahuna-cli>$`)
	s.enter(":param n:=7")
	s.wait(`kahuna-cli>$`)
	s.enter("run none.kh -p who=secret-2")
	s.wait(`none.kh: no such file.*\n*kahuna-cli>$`)
	s.enter("return concat(@who, @n)")
	s.wait(`r- secret-17 0ms\nkahuna-cli>$`)
	s.tmux("send-keys", "C-r")
	s.wait("inc-search")
	s.tmux("send-keys", "-l", "none")
	s.wait(`kahuna-cli> run none.kh\n`)
	s.tmux("send-keys", "C-c") // ends the search, and drops what it found
	s.wait(`r- secret-17 0ms\nkahuna-cli>$`)
	s.leave()
	data, err := os.ReadFile(filepath.Join(s.home, ".local", "state", "kahuna", "history"))
	if want := "\"run none.kh\"\n\"return concat(@who, @n)\"\n"; err != nil || string(data) != want {
		t.Errorf("%q, %v; want %q", data, err, want)
	}
}

// Tab completes functions, keys of the store and commands.
func TestScreenCompletion(t *testing.T) {
	s := openScreen(t, 24)
	s.enter("set `services/email/1` 1")
	s.wait(`r0 set 0ms\nkahuna-cli>$`)
	s.tmux("send-keys", "-l", "return to_js")
	s.wait(`to_js$`)
	s.tmux("send-keys", "Tab")
	s.wait(`kahuna-cli> return to_json\(`)
	s.tmux("send-keys", "C-u")
	s.wait(`kahuna-cli>$`)
	// What follows a completion stands behind it.
	s.tmux("send-keys", "-l", "set k 1 kee")
	s.wait(`kee$`)
	s.tmux("send-keys", "Tab")
	s.wait(`set k 1 keepttl`)
	s.tmux("send-keys", "-l", " ex 5s")
	s.wait(`set k 1 keepttl ex 5s$`)
	s.tmux("send-keys", "C-u")
	s.wait(`kahuna-cli>$`)
	s.tmux("send-keys", "-l", "set k \"kee")
	s.wait(`kee$`)
	s.tmux("send-keys", "Tab")
	s.tmux("send-keys", "-l", "p\"")
	s.wait(`set k "keep"$`)
	s.tmux("send-keys", "C-u")
	s.wait(`kahuna-cli>$`)
	s.tmux("send-keys", "-l", "get `serv")
	s.wait("`serv$")
	s.tmux("send-keys", "Tab")
	s.wait("kahuna-cli> get `services/")
	s.tmux("send-keys", "C-u")
	s.wait(`kahuna-cli>$`)
	s.leave()
}

// A terminal that only writes at its end has the shell, too, with lines of any
// length, keys that erase, Ctrl-C and Ctrl-D.
func TestScreenDumb(t *testing.T) {
	s := openScreen(t, 24, "TERM=dumb")
	s.enter("set a 1")
	s.wait(`r0 set 0ms\nkahuna-cli>$`)
	s.enter("if true then")
	s.wait(`->$`)
	s.enter("return 1")
	s.enter("end")
	s.wait(`r- 1 0ms\nkahuna-cli>$`)
	s.tmux("send-keys", "-l", "return 23")
	s.tmux("send-keys", "BSpace", "Up")
	s.enter("4 # é日")
	s.wait(`\nkahuna-cli> return 24 # é日\nr- 24 0ms\nkahuna-cli>$`)
	s.tmux("send-keys", "-l", "set half")
	s.wait(`set half$`)
	s.tmux("send-keys", "C-c")
	s.wait(`set half\^C\nkahuna-cli>$`)
	s.enter("set half 1 sleep 60s")
	s.wait(`sleep 60s$`)
	s.tmux("send-keys", "C-c")
	s.wait(`nothing of it remains 0ms\nkahuna-cli>$`)
	// Two lines at once, the second while the first one runs.
	s.paste("sleep 100ms\nreturn len(\""+strings.Repeat("x", 6000)+"\")\n", `r- 6000 0ms\nkahuna-cli>$`)
	s.leave()
}

// What is typed for a script or a batch has lines of any length, too, and the
// terminal is given back as it was.
func TestScreenStandardInput(t *testing.T) {
	s := newScreen(t)
	cli := filepath.Join(s.home, "kahuna-cli")
	data := filepath.Join(s.home, "data")
	s.start(12, fmt.Sprintf("stty -a >%[1]s/before; %[2]s --embedded %[3]s run -; %[2]s --embedded %[3]s batch -; stty -a >%[1]s/after; echo status $?; exec sleep 600", s.home, cli, data))
	line := `return len("` + strings.Repeat("x", 6000) + "\")\n"
	s.waitForBytes()
	s.paste(line, `x"\)$`)
	s.tmux("send-keys", "C-d")
	s.wait(`r- 6000 0ms$`)
	s.waitForBytes()
	s.paste(line+"---\n", `r- 6000 0ms$`)
	s.tmux("send-keys", "C-d")
	s.wait(`status 0$`)
	before, err := os.ReadFile(filepath.Join(s.home, "before"))
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(filepath.Join(s.home, "after"))
	if err != nil || string(before) != string(after) {
		t.Errorf("the terminal was\n%s\nand is\n%s", before, after)
	}
}

// TestScreenTypesEveryLetter types letters that a terminal without UTF-8 would
// take for Meta keys.
func TestScreenTypesEveryLetter(t *testing.T) {
	s := openScreen(t, 12, "TERM=xterm-256color")
	s.enter(`set name "Müller ß é ñ ã я 日"`)
	s.wait(`r0 set`)
	s.enter(`get name`)
	s.wait(`(?m)^r0 Müller ß é ñ ã я 日 0ms$`)
	s.leave()
}

// TestScreenTypesClusters types letters with marks, and emoji of several code
// points, as a terminal sends them, and many keys at once.
func TestScreenTypesClusters(t *testing.T) {
	s := openScreen(t, 24)
	for n, text := range []string{"👨‍👩‍👧", "🇩🇪", "❤️", "नमस्ते", "e\u0301x", "👍🏽 ok"} {
		s.enter(fmt.Sprintf(`return [base64_encode("%s"), %d]`, text, n))
		s.wait(fmt.Sprintf(`r- %s\nr- %d\n0ms`, regexp.QuoteMeta(base64.StdEncoding.EncodeToString([]byte(text))), n))
	}
	// Keys between the text: Home, a quote, End; the next script behind Enter.
	file := filepath.Join(s.home, "keys")
	if err := os.WriteFile(file, []byte("é日\", 7]\x1b[Hreturn [\"\x1b[F\x7f, 8]\rreturn 1\x1bb\x1bfé\x7f5\r"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.tmux("load-buffer", file)
	s.tmux("paste-buffer", "-r")
	s.wait(`(?s)kahuna-cli> return \["é日", 7, 8\]\nr- é日\nr- 7\nr- 8\n0ms\nkahuna-cli> return 15\nr- 15 0ms\nkahuna-cli>$`)
	s.leave()
}

// TestScreenTypesMuch sends a long line without the marks of a paste.
func TestScreenTypesMuch(t *testing.T) {
	s := openScreen(t, 60)
	text := strings.Repeat("0123456é8日", 300)
	file := filepath.Join(s.home, "much")
	if err := os.WriteFile(file, []byte(`return crc32("`+text+"\")\r"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.tmux("load-buffer", file)
	drawn := filepath.Join(s.home, "drawn")
	s.tmux("pipe-pane", "cat > "+drawn)
	s.tmux("paste-buffer", "-r")
	s.wait(fmt.Sprintf(`r- %d 0ms\nkahuna-cli>$`, crc32.ChecksumIEEE([]byte(text))))
	s.leave()
	// For each of its characters the line would be drawn anew: some megabytes.
	if info, err := os.Stat(drawn); err != nil || info.Size() > 40*int64(len(text)) {
		t.Errorf("%d bytes were drawn for %d, %v", info.Size(), len(text), err)
	}
}
