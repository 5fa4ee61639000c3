package node

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// orderedFS is the file system Pebble works on. Pebble names its current
// manifest by a marker file and syncs the directory once, after both are
// there: on a disk that keeps the entries of a directory in any order until
// they are synced, a crash could leave the marker without the manifest, and a
// store that does not open. orderedFS syncs the directory before each marker.
type orderedFS struct{ vfs.FS }

func (fs orderedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasPrefix(fs.PathBase(name), "marker.") {
		if err := syncDir(fs.FS, fs.PathDir(name)); err != nil {
			return nil, err
		}
	}
	return fs.FS.Create(name, category)
}

// Unwrap returns the file system below.
func (fs orderedFS) Unwrap() vfs.FS { return fs.FS }
