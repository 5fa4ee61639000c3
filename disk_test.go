package kahuna

import (
	"os"
	"syscall"
)

// errNoSpace is what a full disk says.
var errNoSpace error = &os.PathError{Op: "write", Path: "somewhere", Err: syscall.ENOSPC}
