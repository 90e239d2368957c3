// Package archive writes archives whose bytes depend on nothing but what is in them.
package archive

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"io"
	"io/fs"
	"time"
)

// File is one file of an archive.
type File struct {
	Name    string
	Mode    fs.FileMode
	Content []byte
}

// Tar writes files, and the directories that they are in, all with the same time and owned by
// root.
func Tar(to io.Writer, at time.Time, files ...File) error {
	out := tar.NewWriter(to)
	written := map[string]bool{}
	for _, file := range files {
		for i, c := range file.Name {
			if directory := file.Name[:i]; c == '/' && !written[directory] {
				written[directory] = true
				if err := out.WriteHeader(header(tar.TypeDir, directory+"/", 0o755, 0, at)); err != nil {
					return err
				}
			}
		}
		if err := out.WriteHeader(header(tar.TypeReg, file.Name, file.Mode, len(file.Content), at)); err != nil {
			return err
		}
		if _, err := out.Write(file.Content); err != nil {
			return err
		}
	}
	return out.Close()
}

func header(kind byte, name string, mode fs.FileMode, size int, at time.Time) *tar.Header {
	return &tar.Header{Typeflag: kind, Name: name, Mode: int64(mode.Perm()), Size: int64(size), ModTime: at, Format: tar.FormatPAX}
}

// TarGzip is Tar, compressed.
func TarGzip(to io.Writer, at time.Time, files ...File) error {
	out := gzip.NewWriter(to)
	if err := Tar(out, at, files...); err != nil {
		return err
	}
	return out.Close()
}

// Zip writes files as Windows unpacks them.
func Zip(to io.Writer, at time.Time, files ...File) error {
	out := zip.NewWriter(to)
	for _, file := range files {
		header := &zip.FileHeader{Name: file.Name, Method: zip.Deflate, Modified: at}
		header.SetMode(file.Mode)
		writer, err := out.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := writer.Write(file.Content); err != nil {
			return err
		}
	}
	return out.Close()
}
