package server

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
)

// noteName is the file that says where the server of a store is.
const noteName = "server.json"

// note is that file, or "" for none.
type note string

// writeNote writes the addresses that the fronts took (SRV-3).
func (s *Server) writeNote() (note, error) {
	if s.opts.Dir == "" {
		return "", nil
	}
	content := map[string]any{"pid": os.Getpid()}
	for _, m := range s.fronts {
		content[m.name] = m.taken.String()
	}
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return "", err
	}
	name := filepath.Join(s.opts.Dir, noteName)
	// A reader sees all of it or nothing. Only this process has the directory.
	if err := os.Remove(name + ".new"); err != nil && !os.IsNotExist(err) {
		return "", err
	}
	if err := os.WriteFile(name+".new", append(data, '\n'), 0o600); err != nil {
		return "", err
	}
	return note(name), os.Rename(name+".new", name)
}

func (n note) remove(logger *slog.Logger) {
	if n == "" {
		return
	}
	if err := os.Remove(string(n)); err != nil {
		logger.Warn("a file stays behind", "error", err)
	}
}
