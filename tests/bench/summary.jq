# SPDX-License-Identifier: GPL-2.0-only
#
# From the lines that inside.sh prints (slurped) to figures: medians over the rounds, and differences. $kernel and $cpu are given.
#
#   path   instructions of one exit alone: the median of all exits of a round, then of the rounds
#   all    everything that the machine executed meanwhile, per exit: timer interrupts and the tool's own programs included
#   added  against the tool `none` of the same kind and place

def median: sort | if length == 0 then null elif length % 2 == 1 then .[length / 2 | floor]
	else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def round1: . * 10 | round / 10;

[.[] | select(.kind)] as $exits
| [.[] | select(.pages)] as $harvests
| def path($tool; $at; $kind): [$exits[] | select(.tool == $tool and .at == $at and .kind == $kind) | .median] | median;
  def all($tool; $at; $kind): [$exits[] | select(.tool == $tool and .at == $at and .kind == $kind) | .mean] | median;
  def ticks($tool; $pages): [$harvests[] | select(.tool == $tool and .pages == $pages) | .ticks] | median;
  # without the cleaning itself, as the module's tracepoint has it
  def noting($pages): ([$harvests[] | select(.tool == "clean" and .pages == $pages) | .ticks - .cleaning] | median)
	- ticks("none"; $pages);
  ([$harvests[].pages] | unique) as $sizes
| $sizes[0] as $few | $sizes[-1] as $many
| {
	kernel: $kernel,
	cpu: $cpu,
	unit: "instructions",
	rounds: ([.[].round] | max),
	times: $exits[0].times,
	exits: [
		$exits | unique_by(.at, .kind, .tool) | sort_by(.at == "epoch", .kind, .tool != "none")[]
		| select(.kind != "ttbr0")
		| path(.tool; .at; .kind) as $path | all(.tool; .at; .kind) as $all
		| { kind, at, tool, path: $path, all: ($all | round1) }
		+ if .tool == "none" then {} else {
			added_path: ($path - path("none"; .at; .kind)),
			added_all: ($all - all("none"; .at; .kind) | round1)
		} end
	],
	ttbr0_write: {
		untrapped: path("none"; "outside"; "ttbr0"),
		untrapped_module_loaded: path("module"; "outside"; "ttbr0"),
		trapped_by_kvm: path("none"; "caches-off"; "ttbr0"),
		armed: path("module"; "epoch"; "ttbr0"),
		added: (path("module"; "epoch"; "ttbr0") - path("none"; "epoch"; "ttbr0"))
	},
	harvest: {
		pages: $many,
		clear_without_module: ticks("none"; $many),
		hook_call_observe: ((ticks("observe"; $many) - ticks("none"; $many)) / ($many / 64) | round1),
		hook_call_clean: ((noting($many) - noting($few)) / (($many - $few) / 64) | round1),
		cleaned_page: ((ticks("clean"; $many) - ticks("observe"; $many)) / $many | round1)
	}
}
