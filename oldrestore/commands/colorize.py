"""``oldrestore colorize``: colours photographs at their resolution, with a panel beside each."""

from __future__ import annotations

from collections.abc import Sequence

from oldrestore.commands.arguments import add_networks, add_processing, number, parser, path, process_photographs

EPILOG = """\
examples:
  oldrestore colorize old.jpg -o coloured                          the network shipped with oldrestore
  oldrestore colorize album/ -o coloured --run last                a folder, with your newest run
  oldrestore colorize 2019/ 2020/ -o coloured                      two folders: coloured/2019, coloured/2020
  oldrestore colorize old.jpg -o out --run RUN --run RUN           two networks side by side
  oldrestore colorize film.mp4 -o out --film-smoothing 0.8         a film; its sound is kept
  oldrestore colorize old.jpg -o out --weights siggraph17.safetensors --hints hints.json
  oldrestore colorize old.jpg -o out --variants 4 --certainty      four colourings, and a map of how sure they are
  oldrestore colorize old.jpg -o out --strength 0.7                paler

hints.json: [{"x": 120, "y": 80, "radius": 6, "color": "#3060c0"}, {"x": 40, "y": 200, "radius": 4, "ab": [20, 30]}]
in pixels of the upright photograph; for several photographs {"NAME.jpg": [...], ...}.

Outputs are named after their photographs: NAME-colorized.jpg of NAME.jpg, NAME-colorized.tif.png of NAME.tif,
NAME-p2-colorized.tif.png of its second page; NAME-variant2.jpg and NAME-certainty.jpg.png if asked for. What
is neither a photograph nor a film is passed over and counted.

Ctrl-C and SIGTERM keep what is done; the same command with --skip-existing does the rest.

exit codes: 0 all coloured; 1 some photographs failed, or stopped before the last; 2 the request was wrong
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("colorize", "Colours photographs and films: files, and folders at any depth.", EPILOG)
    options.add_argument("photos", nargs="+", type=path, metavar="PHOTO", help="file or folder")
    options.add_argument("-o", "--output", type=path, required=True, metavar="DIR", help="folder of the outputs")
    add_networks(options)
    options.add_argument("--hints", type=path, metavar="FILE", help="colours at points, JSON (see below)")
    size = "shorter side of the network's input in pixels, 32..4096"
    options.add_argument("--size", type=number(32, 4096), help=size)
    strength = "what multiplies chroma, 0..1.5 (default: 1): 0 is gray"
    options.add_argument("--strength", type=number(0.0, 1.5), default=1.0, metavar="S", help=strength)
    variants = "number of different plausible colourings, 1..8, the network's answer first (default: 1)"
    options.add_argument("--variants", type=number(1, 8), default=1, metavar="K", help=variants)
    distance = "least mean CIEDE2000 between any two of them (default: 5)"
    options.add_argument("--distance", type=number(0.5, 50.0), default=5.0, metavar="D", help=distance)
    options.flag("--certainty", does="write a map of how sure each colour is: white is sure, middle gray knows nothing")
    smoothing = "steadiness of the colour of films, 0..0.99 (default: 0)"
    options.add_argument("--film-smoothing", type=number(0.0, 0.99), default=0.0, metavar="S", help=smoothing)
    add_processing(options)
    chosen = options.parse_args(arguments)

    def prepare(listed, running):
        from oldrestore.photographs.color_options import ColorOptions
        from oldrestore.photographs.coloring import Coloring, coloring_networks, hints_of_photos
        from oldrestore.photographs.hint_file import read_hints
        from oldrestore.photographs.restorer import only_color
        from oldrestore.photographs.verb import Colorizing

        hints = {} if chosen.hints is None else read_hints(chosen.hints)
        networks = coloring_networks(chosen.run, chosen.weights, chosen.model, chosen.outputs, chosen.checkpoint)
        color_options = ColorOptions(chosen.strength, chosen.variants, chosen.distance, chosen.certainty)
        coloring = Coloring(networks, chosen.size, running, color_options)
        return Colorizing(only_color(coloring, chosen.film_smoothing, hints_of_photos(listed, networks, hints)))

    return process_photographs(chosen, chosen.photos, prepare)
