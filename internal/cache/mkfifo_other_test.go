//go:build !unix

package cache

import "os"

func mkfifo(path string) error { return os.Mkdir(path, 0o700) }
