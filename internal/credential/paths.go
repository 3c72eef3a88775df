package credential

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// defaultFiles are the files that are read if the user names none: that of
// $REGISTRY_AUTH_FILE, Docker's, and those of the containers tools (podman,
// skopeo, buildah; see containers-auth.json(5)). The first one is written.
func defaultFiles() ([]file, error) {
	docker, err := dockerFile()
	if err != nil {
		return nil, err
	}
	var files []file
	if f := os.Getenv("REGISTRY_AUTH_FILE"); f != "" {
		files = append(files, file(f))
	}
	files = append(files, docker)
	for _, f := range containersFiles() {
		if _, err := f.read(); errors.Is(err, fs.ErrPermission) {
			continue // another user's, as XDG_RUNTIME_DIR is after su
		}
		files = append(files, f)
	}
	return files, nil
}

func dockerFile() (file, error) {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the configuration file: %w", err)
		}
		dir = filepath.Join(home, ".docker")
	}
	return file(filepath.Join(dir, "config.json")), nil
}

// containersFiles are the files of the containers tools: the one that a login
// lasts in until the machine is shut down, then the one that stays.
func containersFiles() []file {
	var dirs []string
	if runtime.GOOS == "linux" {
		dir := fmt.Sprintf("/run/containers/%d", os.Getuid())
		if runtimeDir := os.Getenv("XDG_RUNTIME_DIR"); runtimeDir != "" {
			dir = filepath.Join(runtimeDir, "containers")
		}
		dirs = append(dirs, dir)
	}
	config := os.Getenv("XDG_CONFIG_HOME")
	if config == "" {
		if home, err := os.UserHomeDir(); err == nil {
			config = filepath.Join(home, ".config")
		}
	}
	if config != "" {
		dirs = append(dirs, filepath.Join(config, "containers"))
	}
	var files []file
	for _, dir := range dirs {
		files = append(files, file(filepath.Join(dir, "auth.json")))
	}
	return files
}
