package resp

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestIORedis: the client that programs for Node use. CI installs it with npm;
// elsewhere KAHUNA_IOREDIS may name a directory that has it in node_modules.
func TestIORedis(t *testing.T) {
	dir := os.Getenv("KAHUNA_IOREDIS")
	if dir == "" {
		if os.Getenv("CI") != "true" {
			t.Skip("set KAHUNA_IOREDIS to a directory in which npm install ioredis was run")
		}
		dir = t.TempDir()
		npm := exec.Command(tool(t, "npm"), "install", "--no-audit", "--no-fund", "--no-package-lock", "ioredis@5")
		npm.Dir = dir
		if out, err := npm.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	program, err := filepath.Abs(filepath.Join("testdata", "ioredis.js"))
	if err != nil {
		t.Fatal(err)
	}
	_, addr := serve(t, Options{})
	_, port, _ := net.SplitHostPort(addr)
	node := exec.Command(tool(t, "node"), program, port)
	node.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(dir, "node_modules"))
	if out, err := node.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "ok" {
		t.Errorf("%v: %s", err, out)
	}
}
