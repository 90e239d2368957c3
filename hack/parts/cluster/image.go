package cluster

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// Image is an image made of files of this machine.
type Image struct {
	// Name is its full name, such as "docker.io/library/redis:test".
	Name string
	// Entrypoint and Command are what it runs.
	Entrypoint, Command []string
	// Env has its variables, as NAME=value.
	Env []string
	// Files are files and directories of this machine, by where they are in the image. A file
	// that is a program comes with the libraries that it needs.
	Files map[string]string
	// Links are the targets of symbolic links, by the paths of the links.
	Links map[string]string
	// Texts are further files, all of which may be run.
	Texts map[string]string
}

// Write makes the archive of an image, as `docker save` does.
func (i Image) Write(archive string) error {
	layer := &layer{written: map[string]bool{}}
	layer.out = tar.NewWriter(&layer.content)
	if err := i.fill(layer); err != nil {
		return fmt.Errorf("image %s: %w", i.Name, err)
	}
	if err := layer.out.Close(); err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": i.Entrypoint, "Cmd": i.Command, "Env": append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, i.Env...)},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer.content.Bytes()))}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{i.Name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	return writeArchive(archive, map[string][]byte{"config.json": config, "layer.tar": layer.content.Bytes(), "manifest.json": manifest})
}

func writeArchive(archive string, files map[string][]byte) error {
	var content bytes.Buffer
	out := tar.NewWriter(&content)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			return err
		}
		if _, err := out.Write(files[name]); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.WriteFile(archive, content.Bytes(), 0o644)
}

func (i Image) fill(to *layer) error {
	for _, at := range slices.Sorted(maps.Keys(i.Files)) {
		if err := to.tree(i.Files[at], at); err != nil {
			return err
		}
	}
	for _, at := range slices.Sorted(maps.Keys(i.Texts)) {
		if err := to.file(at, 0o755, []byte(i.Texts[at])); err != nil {
			return err
		}
	}
	for _, at := range slices.Sorted(maps.Keys(i.Links)) {
		if err := to.add(tar.Header{Typeflag: tar.TypeSymlink, Name: at, Linkname: i.Links[at], Mode: 0o777}, nil); err != nil {
			return err
		}
	}
	return nil
}

// layer is the one layer of an image.
type layer struct {
	content bytes.Buffer
	out     *tar.Writer
	written map[string]bool
}

// tree adds a file, with the libraries that it needs, or a directory with all that is in it.
func (l *layer) tree(from, at string) error {
	return filepath.WalkDir(from, func(found string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(from, found)
		if err != nil {
			return err
		}
		// A link is replaced by its target, which may not be in the image.
		info, err := os.Stat(found)
		if err != nil || info.IsDir() {
			return err
		}
		content, err := os.ReadFile(found)
		if err != nil {
			return err
		}
		if err := l.file(path.Join(at, inside), int64(info.Mode().Perm()|0o444), content); err != nil {
			return err
		}
		return l.libraries(found, content)
	})
}

var library = regexp.MustCompile(`(/\S+) \(0x`)

// libraries adds what the dynamic linker loads with a program.
func (l *layer) libraries(program string, content []byte) error {
	if !bytes.HasPrefix(content, []byte("\x7fELF")) {
		return nil
	}
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		return nil // it is static
	}
	for _, found := range library.FindAllStringSubmatch(string(out), -1) {
		content, err := os.ReadFile(found[1])
		if err != nil {
			return err
		}
		if err := l.file(found[1], 0o755, content); err != nil {
			return err
		}
	}
	return nil
}

func (l *layer) file(at string, mode int64, content []byte) error {
	return l.add(tar.Header{Typeflag: tar.TypeReg, Name: at, Mode: mode, Size: int64(len(content))}, content)
}

// add adds what is not there yet, after the directories that it is in.
func (l *layer) add(header tar.Header, content []byte) error {
	header.Name = strings.TrimPrefix(header.Name, "/")
	if l.written[header.Name] {
		return nil
	}
	if directory := path.Dir(header.Name); directory != "." {
		if err := l.add(tar.Header{Typeflag: tar.TypeDir, Name: directory, Mode: 0o755}, nil); err != nil {
			return err
		}
	}
	l.written[header.Name] = true
	if err := l.out.WriteHeader(&header); err != nil {
		return err
	}
	_, err := l.out.Write(content)
	return err
}
