package sipcall

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"denwa/ivr"
)

//go:embed prompts
var shipped embed.FS

// loadShipped reads what is shipped once, however many trunks there are.
var loadShipped = sync.OnceValues(func() (map[string][]byte, error) {
	p := &Prompts{recordings: map[string][]byte{}}
	if err := p.add(shipped, "prompts"); err != nil {
		return nil, fmt.Errorf("shipped prompts: %w", err)
	}
	return p.recordings, nil
})

// maxFile bounds a file of the operator's: a minute of 192 kHz in 8 channels
// would be more, but nobody speaks in those.
const maxFile = 64 << 20

// Prompts are recordings, ready to be sent. They don't change.
type Prompts struct {
	// recordings are in µ-law, by locale and key as "ja/greeting", and the
	// operator's others by their path.
	recordings map[string][]byte
}

// LoadPrompts returns the prompts that Denwa ships, in every one of
// [ivr.Locales], with the operator's own instead where dir has them.
//
// In dir, <locale>/<key>.wav replaces one of [ivr.Prompts], and any other .wav
// file is there to be named as [ivr.Prompt.Audio], by its path below dir. No
// dir, the empty one, leaves all prompts as shipped. A file that can't be
// played is an error that says which and why; all of them are reported.
func LoadPrompts(dir string) (*Prompts, error) {
	recordings, err := loadShipped()
	if err != nil {
		return nil, err
	}
	p := &Prompts{recordings: maps.Clone(recordings)}
	if dir == "" {
		return p, nil
	}
	if err := p.add(os.DirFS(dir), "."); err != nil {
		return nil, fmt.Errorf("prompts in %s: %w", dir, err)
	}
	return p, nil
}

// add loads what is below root.
func (p *Prompts) add(files fs.FS, root string) error {
	var problems []error
	err := fs.WalkDir(files, root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() || !strings.EqualFold(path.Ext(name), ".wav") {
			return nil
		}
		recording, err := load(files, name)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
			return nil
		}
		key := strings.TrimPrefix(name, root+"/")
		p.recordings[key[:len(key)-len(".wav")]] = recording
		return nil
	})
	return errors.Join(err, errors.Join(problems...))
}

func load(files fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(files, name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("it has more than %d MiB", maxFile>>20)
	}
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	samples, err := readWAV(data)
	if err != nil {
		return nil, err
	}
	return slices.Clip(compand(samples)), nil
}

// of returns the recording to play for a prompt: the operator's, if it names
// one that exists, else that of its key.
func (p *Prompts) of(locale string, prompt ivr.Prompt) []byte {
	if prompt.Audio != "" {
		if own, ok := p.recordings[strings.TrimSuffix(path.Clean(prompt.Audio), ".wav")]; ok {
			return own
		}
	}
	return p.recordings[ivr.Locale(locale)+"/"+prompt.Key]
}

// Speaks reports whether there is a recording for all that s asks with. Words
// of a caller's own have none.
func (p *Prompts) Speaks(s ivr.Script) bool {
	_, step := s.Begin()
	return !slices.ContainsFunc(step.Say, func(prompt ivr.Prompt) bool { return p.of(s.Locale, prompt) == nil })
}

// Has reports whether there is a recording that [ivr.Prompt.Audio] can name.
func (p *Prompts) Has(audio string) bool {
	_, ok := p.recordings[strings.TrimSuffix(path.Clean(audio), ".wav")]
	return ok
}
