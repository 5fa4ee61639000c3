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

// writeNote writes the addresses that the fronts took (SRV-3). One name with
// several addresses has an array of them.
func (s *Server) writeNote() (note, error) {
	if s.opts.Dir == "" {
		return "", nil
	}
	content := map[string]any{"pid": os.Getpid()}
	for _, m := range s.fronts {
		switch before := content[m.name].(type) {
		case nil:
			content[m.name] = m.taken.String()
		case string:
			content[m.name] = []string{before, m.taken.String()}
		case []string:
			content[m.name] = append(before, m.taken.String())
		}
	}
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return "", err
	}
	name := filepath.Join(s.opts.Dir, noteName)
	return note(name), writeWhole(name, append(data, '\n'))
}

func (n note) remove(logger *slog.Logger) {
	if n == "" {
		return
	}
	if err := os.Remove(string(n)); err != nil {
		logger.Warn("a file stays behind", "error", err)
	}
}
