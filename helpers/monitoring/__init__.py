"""After stage 5: is what was promised still true?"""
