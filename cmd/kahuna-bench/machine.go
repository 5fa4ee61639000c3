package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
)

// machine says what was measured on.
type machine struct {
	Cores      int    `json:"cores"`
	GOMAXPROCS int    `json:"gomaxprocs"`
	Go         string `json:"go"`
	Platform   string `json:"platform"`
	Processor  string `json:"processor,omitempty"`
	FileSystem string `json:"fileSystem"`
	Load       string `json:"load,omitempty"`
	Revision   string `json:"revision,omitempty"`
}

func machineFacts(dir string) machine {
	m := machine{Cores: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0), Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, FileSystem: fileSystem(dir)}
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.Processor = strings.TrimSpace(value)
				break
			}
		}
	}
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(data))[:3], " ")
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" || s.Key == "vcs.modified" && s.Value == "true" {
				m.Revision = strings.TrimSpace(m.Revision + " " + s.Value)
			}
		}
	}
	return m
}

func (m machine) String() string {
	return fmt.Sprintf("%d cores (%s), GOMAXPROCS %d, %s %s, %s; load at the start %s", m.Cores, m.Processor,
		m.GOMAXPROCS, m.Go, m.Platform, m.FileSystem, m.Load)
}

// fileSystem names the type and the device of the file system of dir.
func fileSystem(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "unknown file system"
	}
	best, name := -1, ""
	if data, err := os.ReadFile("/proc/self/mounts"); err == nil {
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			if len(f) < 3 || len(f[1]) < best {
				continue
			}
			if rel, err := filepath.Rel(f[1], abs); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
				best, name = len(f[1]), f[2]+" on "+f[0]
			}
		}
	}
	if name != "" {
		return name
	}
	return "unknown file system"
}
