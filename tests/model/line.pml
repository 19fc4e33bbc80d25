/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * line.pml - the watched page: memory, its cache line, the destination.
 *
 * The numbers v_* are for the reader of a trail. What the search keeps is whether the line differs from memory,
 * and which of the two the destination equals: a write makes its place differ from both others, a fill and a
 * write-back make memory and line equal, a drop forgets what only the line held.
 */

inline picture()
{
	printf("= %d %d %d %d %d\n", watch - 1, v_memory, line, v_line, v_dest)
}

inline write_line(p)
{
	if
	:: p == watch ->
		v_last = v_last + STEP;
		v_line = v_last;
		line = DIRTY;
		line_differs = 1;
		if
		:: dest == LINE -> dest = OTHER
		:: else
		fi;
		picture()
	:: else
	fi
}

inline write_memory(p)
{
	if
	:: p == watch ->
		v_last = v_last + STEP;
		v_memory = v_last;
		if
		:: line != ABSENT && !line_differs ->
			line_differs = 1;
			if
			:: dest == MEMORY -> dest = LINE
			:: else
			fi
		:: else ->
			if
			:: dest == MEMORY -> dest = OTHER
			:: else
			fi
		fi;
		SAW(SAW_WRITE);
		if
		:: line == CLEAN -> SAW(SAW_STALE)
		:: else
		fi;
		picture()
	:: else
	fi
}

inline fill()
{
	line = CLEAN;
	line_differs = 0;
	v_line = v_memory
}

/* Write back if dirty, and drop: an eviction, and what DC CIVAC does. */
inline drop()
{
	if
	:: line == DIRTY ->
		v_memory = v_line;
		if
		:: dest == LINE -> dest = MEMORY
		:: dest == MEMORY -> dest = OTHER
		:: else
		fi
	:: else ->
		if
		:: dest == LINE -> dest = OTHER
		:: else
		fi
	fi;
	line = ABSENT;
	line_differs = 0
}

inline clean(p)
{
	if
	:: p & watch ->
		drop();
		picture()
	:: else
	fi
}

/* The host reads the watched page through the cache and sends it. */
inline send()
{
	if
	:: line == ABSENT -> fill()
	:: else
	fi;
	v_dest = v_line;
	dest = (line_differs -> LINE : MEMORY);
	to_send = 0;
	to_clear = 0;
	SAW(SAW_READ);
	picture()
}

proctype cache()
{
	do
	:: d_step {
		!done && line == ABSENT ->
		printf("@ cache|speculative fill\n");
		fill();
		SAW(SAW_FILL);
		picture()
	   }
	:: d_step {
		!done && line != ABSENT ->
		printf("@ cache|eviction\n");
		drop();
		picture()
	   }
	od
}
