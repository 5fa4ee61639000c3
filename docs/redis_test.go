package docs

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"kahuna/script"
)

// TestRedisTables: what stands on the right side of the tables of redis.md
// compiles, alone as a statement or as an operand of return. Forms with a gap,
// and links, are only text.
func TestRedisTables(t *testing.T) {
	const before = "let a = 1 let b = 2 let m = {a: 1} let n = 1 let s = 'text' let t = [1] let v = 1 let x = 1\n"
	found := 0
	for _, line := range strings.Split(prose(read(t, "redis.md")), "\n") {
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "\x00"), "|")
		if len(cells) != 4 || strings.HasPrefix(cells[1], " ---") {
			continue
		}
		for _, m := range regexp.MustCompile("`` (.+?) ``|`([^`]+)`").FindAllStringSubmatch(cells[2], -1) {
			code := strings.ReplaceAll(m[1]+m[2], "\x00", "|")
			switch {
			case strings.Contains(code, "…") || !strings.ContainsAny(code, " (=") || strings.HasPrefix(code, "#"):
				continue
			case strings.HasPrefix(code, "for "):
				code += " let x = 1 end"
			}
			found++
			_, statement := script.Compile(before+code, nil)
			if _, operand := script.Compile(before+"return "+code, nil); statement != nil && operand != nil {
				t.Errorf("%s: %v", code, statement)
			}
		}
	}
	if found < 45 {
		t.Errorf("only %d examples were found", found)
	}
}

// TestRedisCommands runs the commands of redis.md that begin with "$ redis-cli" on
// a server, and compares what they print.
func TestRedisCommands(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("redis-cli"); err != nil && os.Getenv("CI") == "" {
		t.Skip("redis-cli is not installed; .ci/run installs it")
	}
	port := startServer(t)
	found := 0
	for _, b := range blocks(read(t, "redis.md")) {
		if b.kind != "sh" {
			continue
		}
		for _, step := range strings.Split("\n"+b.text, "\n$ ")[1:] {
			line, want, _ := strings.Cut(step, "\n")
			out, _ := exec.Command("sh", "-c", strings.Replace(line, "2079", port, 1)).CombinedOutput()
			if strings.TrimSpace(string(out)) != strings.TrimSpace(want) {
				t.Errorf("$ %s\nprints\n%s\nnot\n%s", line, out, want)
			}
			found++
		}
	}
	if found != 3 {
		t.Errorf("%d commands were found", found)
	}
}

var listens = regexp.MustCompile(`protocol=redis address=127\.0\.0\.1:(\d+)`)

// startServer starts a server in memory that ends with the test, and returns the
// port of the protocol of Redis.
func startServer(t *testing.T) (port string) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "kahuna-server")
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, "../cmd/kahuna-server").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	server := exec.Command(bin, "--memory", "--http", "", "--grpc", "", "--redis", "127.0.0.1:0")
	log, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, log)
		if err := server.Wait(); err != nil {
			t.Error(err)
		}
	})
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if m := listens.FindStringSubmatch(lines.Text()); m != nil {
			return m[1]
		}
	}
	t.Fatal("the server does not listen")
	return ""
}
